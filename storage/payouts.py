"""Payout batches after they were made: approvals, changes of status, and the entries they are made of."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import LISTED_PAYMENTS, BatchStatus, BatchTotals, Recipient, Window
from storage.listing import PageOf, Position, read_page
from storage.settlement import BatchRow
from storage.tables import PAYOUT_APPROVALS, PAYOUT_BATCH_ENTRIES, PAYOUT_BATCHES, SETTLEMENT_ENTRIES

_PAYMENT_IDS = text(
    "select distinct entry.payment_id from payout_batch_entries claimed join settlement_entries entry"
    " on entry.id = claimed.entry_id where claimed.payout_batch_id = :batch_id order by 1 limit :limit"
)
_RELEASE = text(
    "update settlement_entries set payout_batch_id = null, released_at = :now where payout_batch_id = :batch_id"
)


class Payouts:
    """Reads and changes payout batches."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, batch_id: uuid.UUID, *, lock: bool = False) -> BatchRow | None:
        """Return a batch with its first `LISTED_PAYMENTS` payments, locked for a change if asked for."""
        statement = select(PAYOUT_BATCHES).where(PAYOUT_BATCHES.c.id == batch_id)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        if row is None:
            return None
        listed = {"batch_id": batch_id, "limit": LISTED_PAYMENTS}
        return _batch(row, tuple((await self._connection.execute(_PAYMENT_IDS, listed)).scalars()))

    async def page(
        self,
        account: str,
        equal: Mapping[str, object],
        *,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        limit: int,
        after: Position | None = None,
        ascending: bool = False,
    ) -> tuple[list[BatchRow], Position | None]:
        """A page of an account's batches, without their payments; `equal` are columns and the values they must have."""
        columns = PAYOUT_BATCHES.c
        conditions: list[ColumnElement[bool]] = [columns[name] == value for name, value in equal.items()]
        if created_from is not None:
            conditions.append(columns.created_at >= created_from)
        if created_before is not None:
            conditions.append(columns.created_at < created_before)
        page = await read_page(
            self._connection,
            select(PAYOUT_BATCHES).where(columns.account == account, *conditions),
            columns.created_at,
            columns.id,
            limit=limit,
            after=after,
            ascending=ascending,
        )
        return [_batch(row, ()) for row in page.rows], page.next

    async def entries(
        self, batch_id: uuid.UUID, *, limit: int, after: Position | None = None, ascending: bool = True
    ) -> PageOf:
        """A page of the entries a batch is made of, by event time."""
        entries = SETTLEMENT_ENTRIES
        claimed = PAYOUT_BATCH_ENTRIES.join(entries, entries.c.id == PAYOUT_BATCH_ENTRIES.c.entry_id)
        statement = select(entries).select_from(claimed).where(PAYOUT_BATCH_ENTRIES.c.payout_batch_id == batch_id)
        return await read_page(
            self._connection,
            statement,
            entries.c.occurred_at,
            entries.c.id,
            limit=limit,
            after=after,
            ascending=ascending,
        )

    async def approve(self, batch_id: uuid.UUID, approved_by: str, now: datetime) -> int:
        """Record somebody's approval, once; returns how many have approved."""
        values = {"payout_batch_id": batch_id, "approved_by": approved_by, "approved_at": now}
        await self._connection.execute(insert(PAYOUT_APPROVALS).values(values).on_conflict_do_nothing())
        return len(await self.approvals(batch_id))

    async def approvals(self, batch_id: uuid.UUID) -> list[tuple[str, datetime]]:
        """Who has approved a batch and when, in order."""
        approvals = PAYOUT_APPROVALS.c
        statement = select(PAYOUT_APPROVALS).where(approvals.payout_batch_id == batch_id)
        rows = await self._connection.execute(statement.order_by(approvals.approved_at, approvals.approved_by))
        return [(row.approved_by, row.approved_at) for row in rows]

    async def change(self, batch_id: uuid.UUID, status: BatchStatus, **values: object) -> None:
        """Write a new status and what goes with it."""
        statement = update(PAYOUT_BATCHES).where(PAYOUT_BATCHES.c.id == batch_id)
        await self._connection.execute(statement.values(status=status, **values))

    async def release_entries(self, batch_id: uuid.UUID, now: datetime) -> int:
        """Give a failed batch's entries back, to be claimed by the next; returns how many."""
        return (await self._connection.execute(_RELEASE, {"batch_id": batch_id, "now": now})).rowcount


def _batch(row: Row[Any], payment_ids: tuple[str, ...]) -> BatchRow:
    return BatchRow(
        id=row.id,
        recipient=Recipient(row.account, row.recipient_type, row.recipient_id, row.currency),
        totals=BatchTotals(
            row.gross_minor,
            row.fee_minor,
            row.net_minor,
            row.entry_count,
            payment_ids,
            row.reserve_held_minor,
            row.reserve_released_minor,
        ),
        period=Window(row.period_start, row.period_end),
        status=BatchStatus(row.status),
        created_by=row.created_by,
        created_at=row.created_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        bank_reference=row.bank_reference,
        paid_at=row.paid_at,
        required_approvals=row.required_approvals,
        executed_by=row.executed_by,
        executed_at=row.executed_at,
        failed_by=row.failed_by,
        failed_at=row.failed_at,
        failure_reason=row.failure_reason,
        payment_count=row.payment_count,
    )
