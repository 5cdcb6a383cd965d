"""A new name asks what waited for it, in every batch: that must read what waits, and not all that was ever recorded."""

from sqlalchemy import text

from storage.inbox import WAITING_FACTS
from storage.unit_of_work import Database


async def test_waiting_facts_are_found_by_their_index(database: Database) -> None:
    named = {"gateways": ["stripe"], "accounts": ["shop"], "references": ["pi_1"], "payment_ids": ["pay_1"]}
    async with database.transaction() as transaction:
        # Of an empty table the planner would rather read everything.
        await transaction.connection.execute(text("set local enable_seqscan to off"))
        plan = await transaction.connection.execute(text(f"explain {WAITING_FACTS.text}"), named)
        steps = "\n".join(plan.scalars())
    assert "inbox_waiting_names" in steps
    assert "Index Cond: (array_append(related_references, provider_reference) &&" in steps
