"""The ledger side of the reserve: what a batch holds back and releases, and how a batch that fails undoes both."""

import uuid
from datetime import datetime

from domain.reserve import ReserveCause, reserve_postings
from storage.ledger import LedgerTransaction
from storage.settlement import BatchRow
from storage.unit_of_work import Transaction


async def post_reserve(
    transaction: Transaction, batch: BatchRow, cause: ReserveCause, amount_minor: int, now: datetime
) -> None:
    """Post a movement into or out of the reserve because of a batch."""
    posting = LedgerTransaction(
        id=uuid.uuid5(uuid.NAMESPACE_OID, f"reserve|{batch.id}|{cause}"),
        account=batch.recipient.account,
        payment_id=None,
        payout_batch_id=batch.id,
        cause=cause,
        reference=None,
        currency=batch.recipient.currency,
        occurred_at=now,
        postings=reserve_postings(cause, batch.recipient, amount_minor),
    )
    await transaction.ledger.post([posting], now)


async def undo_reserve(transaction: Transaction, batch: BatchRow, now: datetime) -> None:
    """Give back what a failing batch held, and let what it released be released again."""
    totals = batch.totals
    await transaction.reserves.undo(batch.id, now)
    if totals.reserve_held_minor:
        await post_reserve(transaction, batch, ReserveCause.HOLD_UNDONE, totals.reserve_held_minor, now)
    if totals.reserve_released_minor:
        await post_reserve(transaction, batch, ReserveCause.RELEASE_UNDONE, totals.reserve_released_minor, now)
