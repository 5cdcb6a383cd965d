"""The statement of a payout batch as one HTML page: no script, no other file, printable.

Written piece by piece, whatever the number of entries. A statement whose entries do not add up to its batch breaks off
instead of ending, so write it where nobody reads it before it is whole.
"""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Row

from domain.errors import InvariantViolated
from domain.money import to_decimal_string
from services.bank_files.orders import end_to_end_id
from services.payouts import get_payout, payout_entries
from storage.settlement import BatchRow
from storage.unit_of_work import Database

PAGE_SIZE = 500
BUFFERED_PIECES = 500
"""Pieces of the template that are put together before they are written."""


@dataclass(slots=True)
class _Sums:
    """What the entries written so far add up to, in minor units."""

    entry_count: int = 0
    gross_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0
    by_cause: dict[str, "_Sums"] = field(default_factory=dict)

    def add(self, entry: Row[Any]) -> None:
        """Count an entry."""
        self.entry_count += 1
        self.gross_minor += entry.gross_minor
        self.fee_minor += entry.fee_minor
        self.net_minor += entry.net_minor


_ENVIRONMENT = Environment(
    loader=PackageLoader("services.payout_documents"),
    autoescape=True,
    enable_async=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


async def statement_html(
    database: Database, account: str, batch_id: uuid.UUID, *, page_size: int = PAGE_SIZE
) -> AsyncIterator[str]:
    """Write the statement of an account's batch. Raises NotFound, InvariantViolated when it does not add up."""
    batch = await get_payout(database, account, batch_id)
    async with database.transaction() as transaction:
        known = await transaction.accounts.get(account)
    sums = _Sums()
    stream = _ENVIRONMENT.get_template("statement.html").generate_async(
        account_name=account if known is None else known.name,
        batch=batch,
        currency=batch.recipient.currency,
        end_to_end_id=end_to_end_id(batch.id),
        entries=_entries(database, batch, sums, page_size),
        sums=sums,
        money=partial(to_decimal_string, currency=batch.recipient.currency),
        moment=_moment,
    )
    pieces: list[str] = []
    async for piece in stream:
        pieces.append(piece)
        if len(pieces) >= BUFFERED_PIECES:
            yield "".join(pieces)
            pieces.clear()
    yield "".join(pieces)


async def _entries(database: Database, batch: BatchRow, sums: _Sums, page_size: int) -> AsyncIterator[Row[Any]]:
    after = None
    while True:
        page = await payout_entries(
            database, batch.recipient.account, batch.id, limit=page_size, after=after, ascending=True
        )
        for entry in page.rows:
            sums.add(entry)
            sums.by_cause.setdefault(entry.cause, _Sums()).add(entry)
            yield entry
        if (after := page.next) is None:
            break
    totals = batch.totals
    found = (sums.entry_count, sums.gross_minor, sums.fee_minor, sums.net_minor)
    if found != (totals.entry_count, totals.gross_minor, totals.fee_minor, totals.entries_net_minor):
        raise InvariantViolated(f"the entries of payout batch {batch.id} do not add up to it")


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
