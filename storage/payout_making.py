"""How a payout batch is made: what its recipient is owed, the batch itself, and the claim of its entries."""

import uuid
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import LISTED_PAYMENTS, EntryTotals, Recipient
from storage.settlement import OF_RECIPIENT, UNCLAIMED, BatchRow, recipient_values

_LOCK_CLASS = 7_212
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:key, :class))")
_SUMS = (
    "coalesce(sum(gross_minor), 0)::bigint as gross_minor, coalesce(sum(fee_minor), 0)::bigint as fee_minor,"
    " coalesce(sum(net_minor), 0)::bigint as net_minor, count(*) as entry_count,"
    " count(distinct payment_id) as payment_count, min(occurred_at) as first_event_at"
)
_OWN = f"{OF_RECIPIENT} and {UNCLAIMED} and occurred_at < :before"
_UNCLAIMED_TOTALS = text(f"select {_SUMS} from settlement_entries where {_OWN}")  # noqa: S608 - literals of this package
_CLAIM = text(
    f"with claimed as (update settlement_entries set payout_batch_id = :batch_id where {_OWN} returning *),"  # noqa: S608
    " recorded as (insert into payout_batch_entries select payout_batch_id, id from claimed)"
    f" select {_SUMS} from claimed"
)
_PAYMENT_IDS = text(
    "select distinct payment_id from settlement_entries where payout_batch_id = :batch_id"
    " order by payment_id limit :limit"
)
_INSERT_BATCH = text(
    "insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor, fee_minor,"
    " net_minor, entry_count, payment_count, period_start, period_end, status, created_by, approved_by, approved_at,"
    " required_approvals, reserve_held_minor, reserve_released_minor, created_at) values (:id, :account,"
    " :recipient_type, :recipient_id, :currency, :gross_minor, :fee_minor, :net_minor, :entry_count, :payment_count,"
    " :period_start, :period_end, :status, :created_by, :approved_by, :approved_at, :required_approvals,"
    " :reserve_held_minor, :reserve_released_minor, :created_at)"
)


class PayoutMaking:
    """Sums and claims entries set-based, so that a batch of a million needs no memory here."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_recipient(self, recipient: Recipient) -> None:
        """Let nobody else make a batch for this recipient until the transaction ends."""
        await self._connection.execute(_LOCK, {"key": recipient.key, "class": _LOCK_CLASS})

    async def unclaimed(self, recipient: Recipient, occurred_before: datetime) -> EntryTotals:
        """Sum every counted entry of a recipient that no batch has yet."""
        values = {**recipient_values(recipient), "before": occurred_before}
        row = (await self._connection.execute(_UNCLAIMED_TOTALS, values)).one()
        return EntryTotals(**row._mapping)  # noqa: SLF001 - the public name of a row's columns by name

    async def insert_batch(self, batch: BatchRow) -> None:
        """Insert a batch."""
        totals = batch.totals
        values = {
            "id": batch.id,
            **recipient_values(batch.recipient),
            "gross_minor": totals.gross_minor,
            "fee_minor": totals.fee_minor,
            "net_minor": totals.net_minor,
            "entry_count": totals.entry_count,
            "payment_count": batch.payment_count,
            "period_start": batch.period.start,
            "period_end": batch.period.end,
            "status": batch.status,
            "created_by": batch.created_by,
            "approved_by": batch.approved_by,
            "approved_at": batch.approved_at,
            "required_approvals": batch.required_approvals,
            "reserve_held_minor": totals.reserve_held_minor,
            "reserve_released_minor": totals.reserve_released_minor,
            "created_at": batch.created_at,
        }
        await self._connection.execute(_INSERT_BATCH, values)

    async def claim(self, batch: BatchRow, occurred_before: datetime) -> EntryTotals:
        """Claim what `unclaimed` summed for a batch; returns the sums of what was claimed."""
        values = {**recipient_values(batch.recipient), "before": occurred_before, "batch_id": batch.id}
        row = (await self._connection.execute(_CLAIM, values)).one()
        return EntryTotals(**row._mapping)  # noqa: SLF001 - the public name of a row's columns by name

    async def payment_ids(self, batch_id: uuid.UUID) -> tuple[str, ...]:
        """The payments of a batch, in order; of a large one the first `LISTED_PAYMENTS`."""
        rows = await self._connection.execute(_PAYMENT_IDS, {"batch_id": batch_id, "limit": LISTED_PAYMENTS})
        return tuple(rows.scalars())
