"""Taking the next window to close must not sort all that close with it: a day's windows of all recipients do."""

from datetime import UTC, datetime

from sqlalchemy import text

from storage.settlement import TAKE_CLOSABLE
from storage.unit_of_work import Database

WATERMARK = datetime(2026, 1, 2, tzinfo=UTC)


async def test_the_next_window_is_found_in_the_order_of_the_index(database: Database) -> None:
    async with database.transaction() as transaction:
        # Of an empty table the planner would rather read and sort everything.
        await transaction.connection.execute(text("set local enable_seqscan to off"))
        await transaction.connection.execute(text("set local enable_bitmapscan to off"))
        plan = await transaction.connection.execute(text(f"explain {TAKE_CLOSABLE.text}"), {"watermark": WATERMARK})
        steps = "\n".join(plan.scalars())
    assert "settlement_windows_open" in steps
    assert "Sort" not in steps
