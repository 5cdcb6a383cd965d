"""What reconciliation found: matches, breaks, and which of them each item is in."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.matching import BreakKind, Item
from domain.reconciliation_books import Stage
from storage.bulk import BulkInsert
from storage.listing import PageOf, Position, read_page
from storage.reconciliation_tables import RECONCILIATION_BREAKS as BREAKS


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRow:
    """Two items that tell the same money, and what was posted of it."""

    id: uuid.UUID
    account: str
    stage: Stage
    currency: str
    expected_minor: int
    actual_minor: int
    fee_minor: int
    ledger_transaction_id: uuid.UUID | None
    matched_at: datetime
    items: tuple[Item, Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakRow:
    """A difference for a person. Amounts are as in `domain.reconciliation_books.Difference`; `items` are ids."""

    id: uuid.UUID
    account: str
    stage: Stage
    kind: BreakKind
    gateway: str | None
    currency: str
    expected_minor: int | None
    actual_minor: int | None
    fee_minor: int
    detail: str
    items: tuple[str, ...]
    occurred_at: datetime
    opened_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: str | None = None
    ledger_transaction_id: uuid.UUID | None = None


_MATCHES = BulkInsert(
    "reconciliation_matches",
    {
        "id": "uuid",
        "account": "text",
        "stage": "text",
        "currency": "text",
        "expected_minor": "bigint",
        "actual_minor": "bigint",
        "fee_minor": "bigint",
        "ledger_transaction_id": "uuid",
        "matched_at": "timestamptz",
    },
)
_BREAKS = BulkInsert(
    "reconciliation_breaks",
    {
        "id": "uuid",
        "account": "text",
        "stage": "text",
        "kind": "text",
        "gateway": "text",
        "currency": "text",
        "expected_minor": "bigint",
        "actual_minor": "bigint",
        "fee_minor": "bigint",
        "detail": "text",
        "items": "text > text[]",
        "occurred_at": "timestamptz",
        "opened_at": "timestamptz",
    },
    # What had settled itself and differs again is open again; what is open stays as it was opened.
    "on conflict (id) do update set resolved_at = null, resolved_by = null, resolution = null,"
    " opened_at = excluded.opened_at where reconciliation_breaks.resolved_at is not null returning id",
)
_ITEMS = BulkInsert(
    "reconciliation_items",
    {"account": "text", "item": "text", "match_id": "uuid", "break_id": "uuid", "name": "text", "kind": "text"},
)
_LET_GO = text(
    "delete from reconciliation_items where account = :account and break_id in"
    " (select id from reconciliation_breaks where account = :account and resolved_at is null)"
)
_CLOSE_SETTLED = text(
    "update reconciliation_breaks set resolved_at = :now, resolved_by = :by, resolution = :resolution"
    " where account = :account and resolved_at is null and id <> all(:still_open) returning id"
)


class ReconciliationResults:
    """Reads and writes what was found."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def let_go_of_open_breaks(self, account: str) -> None:
        """Free the items of breaks that nobody resolved, so that they are compared again."""
        await self._connection.execute(_LET_GO, {"account": account})

    async def add_matches(self, matches: Sequence[MatchRow]) -> None:
        """Insert matches and settle their items."""
        await _MATCHES.execute(
            self._connection,
            [
                (
                    match.id,
                    match.account,
                    match.stage.value,
                    match.currency,
                    match.expected_minor,
                    match.actual_minor,
                    match.fee_minor,
                    match.ledger_transaction_id,
                    match.matched_at,
                )
                for match in matches
            ],
        )
        await _ITEMS.execute(
            self._connection,
            [
                (match.account, item.id, match.id, None, item.names[0] if item.names else None, item.kind)
                for match in matches
                for item in match.items
            ],
        )

    async def put_breaks(self, breaks: Sequence[BreakRow], items: Mapping[uuid.UUID, Sequence[Item]]) -> int:
        """Open breaks, those that are not open already; returns how many were opened."""
        rows = [
            (
                found.id,
                found.account,
                found.stage.value,
                found.kind.value,
                found.gateway,
                found.currency,
                found.expected_minor,
                found.actual_minor,
                found.fee_minor,
                found.detail,
                _array_literal(found.items),
                found.occurred_at,
                found.opened_at,
            )
            for found in breaks
        ]
        opened = await _BREAKS.execute(self._connection, rows)
        await _ITEMS.execute(
            self._connection,
            [
                (found.account, item.id, None, found.id, item.names[0] if item.names else None, item.kind)
                for found in breaks
                for item in items[found.id]
            ],
        )
        return len(opened)

    async def close_settled(
        self, account: str, still_open: Collection[uuid.UUID], *, by: str, resolution: str, now: datetime
    ) -> int:
        """Close the open breaks that are none any more; returns how many."""
        values = {"account": account, "still_open": list(still_open), "by": by, "resolution": resolution, "now": now}
        return len(list(await self._connection.execute(_CLOSE_SETTLED, values)))

    async def get_break(self, break_id: uuid.UUID, *, lock: bool = False) -> BreakRow | None:
        """Return a break, locked for a change if asked for."""
        statement = select(BREAKS).where(BREAKS.c.id == break_id)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        return None if row is None else read_break(row)

    async def breaks(
        self,
        account: str,
        *,
        kind: BreakKind | None = None,
        with_resolved: bool = False,
        limit: int,
        after: Position | None = None,
        ascending: bool = True,
    ) -> PageOf:
        """A page of an account's breaks, by the time they were opened."""
        statement = select(BREAKS).where(BREAKS.c.account == account)
        if not with_resolved:
            statement = statement.where(BREAKS.c.resolved_at.is_(None))
        if kind is not None:
            statement = statement.where(BREAKS.c.kind == kind)
        return await read_page(
            self._connection, statement, BREAKS.c.opened_at, BREAKS.c.id, limit=limit, after=after, ascending=ascending
        )

    async def resolve(
        self, break_id: uuid.UUID, *, by: str, resolution: str, transaction_id: uuid.UUID | None, now: datetime
    ) -> None:
        """Write down who resolved a break, how, and what was posted for it."""
        values = {
            "resolved_at": now,
            "resolved_by": by,
            "resolution": resolution,
            "ledger_transaction_id": transaction_id,
        }
        await self._connection.execute(update(BREAKS).where(BREAKS.c.id == break_id).values(values))


def read_break(row: Row[Any]) -> BreakRow:
    """Read a row of the table of breaks."""
    return BreakRow(
        id=row.id,
        account=row.account,
        stage=Stage(row.stage),
        kind=BreakKind(row.kind),
        gateway=row.gateway,
        currency=row.currency,
        expected_minor=row.expected_minor,
        actual_minor=row.actual_minor,
        fee_minor=row.fee_minor,
        detail=row.detail,
        items=tuple(row.items),
        occurred_at=row.occurred_at,
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        resolution=row.resolution,
        ledger_transaction_id=row.ledger_transaction_id,
    )


def _array_literal(values: Sequence[str]) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
