"""The statement of a payout batch, as CSV or JSON: every entry and a line of totals, written page by page.

The entries of a batch never change, so pages that are read one after the other make one consistent statement. A
statement whose lines do not add up to its batch breaks off instead of ending: whoever reads it lacks the totals.
"""

import csv
import io
import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from domain.errors import InvariantViolated
from domain.money import to_decimal_string
from services.payouts import get_payout
from storage.settlement import BatchRow
from storage.unit_of_work import Database

PAGE_SIZE = 500
COLUMNS = (
    "line",
    "payout_batch_id",
    "entry_id",
    "payment_id",
    "gateway",
    "cause",
    "occurred_at",
    "currency",
    "gross",
    "gross_minor",
    "fee",
    "fee_minor",
    "net",
    "net_minor",
)
"""`line` is `entry`; then `reserve_held` and `reserve_released` where there is any; and `total` on the last line.

The amounts of all lines but the last sum up to the last.
"""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a line says of money: decimal strings of major units beside integers of minor units."""

    gross: str
    gross_minor: int
    fee: str
    fee_minor: int
    net: str
    net_minor: int

    @classmethod
    def of(cls, gross_minor: int, fee_minor: int, net_minor: int, currency: str) -> "Amounts":
        """Write amounts of a currency both ways."""
        return cls(
            gross=to_decimal_string(gross_minor, currency),
            gross_minor=gross_minor,
            fee=to_decimal_string(fee_minor, currency),
            fee_minor=fee_minor,
            net=to_decimal_string(net_minor, currency),
            net_minor=net_minor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """One movement of the recipient's money that the batch pays."""

    entry_id: str
    payment_id: str
    gateway: str
    cause: str
    occurred_at: datetime
    amounts: Amounts


class Statement:
    """The statement of one batch, ready to be written once."""

    def __init__(self, database: Database, batch: BatchRow, page_size: int = PAGE_SIZE) -> None:
        self._database = database
        self._batch = batch
        self._page_size = page_size

    async def csv(self) -> AsyncIterator[str]:
        """Write RFC 4180, with a header line. Text that a spreadsheet would take for a formula is made plain text."""
        yield _lines([COLUMNS])
        async for entries in self._pages():
            yield _lines([self._entry_cells(entry) for entry in entries])
        totals = self._batch.totals
        reserve = {"reserve_held": -totals.reserve_held_minor, "reserve_released": totals.reserve_released_minor}
        moved = [self._cells(line, self._amounts(0, 0, net_minor)) for line, net_minor in reserve.items() if net_minor]
        yield _lines([*moved, self._cells("total", self._totals())])

    async def json(self) -> AsyncIterator[str]:
        """Write one JSON object: `payout_batch`, `entries` and `totals`."""
        batch = self._batch
        head = {
            "id": str(batch.id),
            "recipient_type": batch.recipient.recipient_type,
            "recipient_id": batch.recipient.recipient_id,
            "currency": batch.recipient.currency,
            "status": batch.status,
            "period_start": batch.period.start.isoformat(),
            "period_end": batch.period.end.isoformat(),
            "bank_reference": batch.bank_reference,
        }
        yield f'{{"payout_batch":{json.dumps(head)},"entries":['
        separator = ""
        async for entries in self._pages():
            yield separator + ",".join(json.dumps(_entry_object(entry)) for entry in entries)
            separator = ","
        yield f'],"totals":{json.dumps(self._totals_object())}}}'

    async def _pages(self) -> AsyncIterator[list[StatementEntry]]:
        """Yield the entries; raises InvariantViolated at the end when they are not what the batch pays."""
        batch = self._batch
        count = gross = fee = net = 0
        after = None
        while True:
            async with self._database.transaction() as transaction:
                page = await transaction.payouts.entries(batch.id, limit=self._page_size, after=after)
            count += len(page.rows)
            gross += sum(row.gross_minor for row in page.rows)
            fee += sum(row.fee_minor for row in page.rows)
            net += sum(row.net_minor for row in page.rows)
            if page.rows:
                yield [
                    StatementEntry(
                        entry_id=str(row.id),
                        payment_id=row.payment_id,
                        gateway=row.gateway,
                        cause=row.cause,
                        occurred_at=row.occurred_at,
                        amounts=self._amounts(row.gross_minor, row.fee_minor, row.net_minor),
                    )
                    for row in page.rows
                ]
            if (after := page.next) is None:
                break
        totals = batch.totals
        held, released = totals.reserve_held_minor, totals.reserve_released_minor
        found = (count, gross, fee, net - held + released)
        if found != (totals.entry_count, totals.gross_minor, totals.fee_minor, totals.net_minor):
            raise InvariantViolated(f"the entries of payout batch {batch.id} do not add up to it")

    def _totals(self) -> Amounts:
        totals = self._batch.totals
        return self._amounts(totals.gross_minor, totals.fee_minor, totals.net_minor)

    def _totals_object(self) -> dict[str, object]:
        totals, currency = self._batch.totals, self._batch.recipient.currency
        return {
            "entry_count": totals.entry_count,
            **asdict(self._totals()),
            "reserve_held": to_decimal_string(totals.reserve_held_minor, currency),
            "reserve_held_minor": totals.reserve_held_minor,
            "reserve_released": to_decimal_string(totals.reserve_released_minor, currency),
            "reserve_released_minor": totals.reserve_released_minor,
        }

    def _amounts(self, gross_minor: int, fee_minor: int, net_minor: int) -> Amounts:
        return Amounts.of(gross_minor, fee_minor, net_minor, self._batch.recipient.currency)

    def _entry_cells(self, entry: StatementEntry) -> list[str]:
        about = [entry.entry_id, entry.payment_id, entry.gateway, entry.cause, entry.occurred_at.isoformat()]
        return self._cells("entry", entry.amounts, about)

    def _cells(self, line: str, amounts: Amounts, about: Sequence[str] = ("",) * 5) -> list[str]:
        currency = self._batch.recipient.currency
        return [line, str(self._batch.id), *about, currency, *(str(value) for value in asdict(amounts).values())]


async def open_statement(database: Database, account: str, batch_id: uuid.UUID) -> Statement:
    """Prepare the statement of an account's batch. Raises NotFound."""
    return Statement(database, await get_payout(database, account, batch_id))


def plain_cell(cell: str) -> str:
    """Keep a spreadsheet from running a cell as a formula: a quotation mark goes before it, as before no number."""
    is_formula = cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def _lines(rows: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows([plain_cell(cell) for cell in row] for row in rows)
    return written.getvalue()


def _entry_object(entry: StatementEntry) -> dict[str, object]:
    return {
        "entry_id": entry.entry_id,
        "payment_id": entry.payment_id,
        "gateway": entry.gateway,
        "cause": entry.cause,
        "occurred_at": entry.occurred_at.isoformat(),
        **asdict(entry.amounts),
    }
