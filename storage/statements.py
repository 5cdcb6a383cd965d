"""Statements of gateways and banks, file by file and line by line; the same file, and the same line, only once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.statement_lines import Side, StatementLine
from storage.bulk import BulkInsert
from storage.reconciliation_tables import STATEMENT_REPORTS as REPORTS


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementReport:
    """One imported file. `digest` is the SHA-256 of its bytes; lines that another file had are not new."""

    id: uuid.UUID
    account: str
    side: Side
    source: str
    format: str
    file_name: str
    digest: bytes
    line_count: int
    new_line_count: int
    imported_by: str
    imported_at: datetime


_LINES = BulkInsert(
    "statement_lines",
    {
        "id": "uuid",
        "account": "text",
        "report_id": "uuid",
        "side": "text",
        "source": "text",
        "line_number": "integer",
        "reference": "text",
        "fingerprint": "text",
        "kind": "text",
        "names": "text > text[]",
        "gross_minor": "bigint",
        "fee_minor": "bigint",
        "net_minor": "bigint",
        "currency": "text",
        "occurred_at": "timestamptz",
        "payout_reference": "text",
        "payout_at": "timestamptz",
        "description": "text",
    },
    "on conflict do nothing returning 1",
)
_LINES_AT_ONCE = 5_000
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('reconciliation:' || :account, 0))")


def line_id(account: str, side: Side, source: str, line: StatementLine) -> uuid.UUID:
    """The id of a line: the same in whichever file it comes, as long as it says the same."""
    said = f"statement-line|{account}|{side}|{source}|{line.reference}|{line.fingerprint}"
    return uuid.uuid5(uuid.NAMESPACE_OID, said)


class Statements:
    """Reads and writes statements."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, account: str) -> None:
        """Wait until nobody else imports into an account or matches it, until the end of the transaction."""
        await self._connection.execute(_LOCK, {"account": account})

    async def start(self, report: StatementReport) -> bool:
        """Insert a report; False when the same file of the same source is there already."""
        values = {column.name: getattr(report, column.name) for column in REPORTS.columns}
        statement = insert(REPORTS).values(values).on_conflict_do_nothing().returning(REPORTS.c.id)
        return (await self._connection.execute(statement)).first() is not None

    async def find(self, account: str, side: Side, source: str, digest: bytes) -> StatementReport | None:
        """Return the report of a file."""
        columns = REPORTS.c
        statement = select(REPORTS).where(
            columns.account == account, columns.side == side, columns.source == source, columns.digest == digest
        )
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _report(row)

    async def add_lines(self, report: StatementReport, lines: Sequence[StatementLine]) -> int:
        """Insert the lines of a report that no file has had yet; returns how many, and writes it down."""
        added = 0
        for start in range(0, len(lines), _LINES_AT_ONCE):
            rows = [_values(report, line) for line in lines[start : start + _LINES_AT_ONCE]]
            added += len(await _LINES.execute(self._connection, rows))
        counted = update(REPORTS).where(REPORTS.c.id == report.id).values(new_line_count=added)
        await self._connection.execute(counted)
        return added

    async def reports(self, account: str, limit: int = 1_000) -> list[StatementReport]:
        """An account's reports, the newest first."""
        statement = select(REPORTS).where(REPORTS.c.account == account)
        order = (REPORTS.c.imported_at.desc(), REPORTS.c.id.desc())
        return [_report(row) for row in await self._connection.execute(statement.order_by(*order).limit(limit))]


def _values(report: StatementReport, line: StatementLine) -> tuple[Any, ...]:
    return (
        line_id(report.account, report.side, report.source, line),
        report.account,
        report.id,
        report.side.value,
        report.source,
        line.number,
        line.reference,
        line.fingerprint,
        line.kind.value,
        # Normalized names are letters and digits: an array's literal needs no escapes.
        "{" + ",".join(f'"{name}"' for name in line.names) + "}",
        line.gross_minor,
        line.fee_minor,
        line.net_minor,
        line.currency,
        line.occurred_at,
        line.payout_reference,
        line.payout_at,
        line.description,
    )


def _report(row: Row[Any]) -> StatementReport:
    return StatementReport(
        id=row.id,
        account=row.account,
        side=Side(row.side),
        source=row.source,
        format=row.format,
        file_name=row.file_name,
        digest=row.digest,
        line_count=row.line_count,
        new_line_count=row.new_line_count,
        imported_by=row.imported_by,
        imported_at=row.imported_at,
    )
