"""Payout batches in people's hands: approve, execute, complete, fail; each step once, in one transaction.

A batch is approved by as many people as it requires, none of whom made it. Executing takes what is owed into transit;
a bank reference completes it. A batch that fails gives its entries back, and what was in transit with them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from domain.errors import CommandConflict, InvalidInput, NotFound
from domain.payouts import PayoutCause, check_approver, postings
from domain.settlement import BatchStatus, check_transition
from services.messages import payout_batch
from services.reserve import undo_reserve
from storage.ledger import LedgerTransaction
from storage.listing import PageOf, Position
from storage.settlement import BatchRow
from storage.unit_of_work import Database, Transaction


async def get_payout(database: Database, account: str, batch_id: uuid.UUID) -> BatchRow:
    """Return a batch of an account, with its payments. Raises NotFound."""
    async with database.transaction() as transaction:
        return _own(await transaction.payouts.get(batch_id), account, batch_id)


async def find_payouts(
    database: Database,
    account: str,
    equal: Mapping[str, object],
    *,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    limit: int,
    after: Position | None,
    ascending: bool,
) -> tuple[list[BatchRow], Position | None]:
    """Return a page of an account's batches and where to go on; `equal` are columns and what they must be."""
    async with database.transaction() as transaction:
        return await transaction.payouts.page(
            account,
            equal,
            created_from=created_from,
            created_before=created_before,
            limit=limit,
            after=after,
            ascending=ascending,
        )


async def payout_approvals(database: Database, account: str, batch_id: uuid.UUID) -> list[tuple[str, datetime]]:
    """Return who has approved a batch and when, in order. Raises NotFound."""
    async with database.transaction() as transaction:
        _own(await transaction.payouts.get(batch_id), account, batch_id)
        return await transaction.payouts.approvals(batch_id)


async def payout_entries(
    database: Database, account: str, batch_id: uuid.UUID, *, limit: int, after: Position | None, ascending: bool
) -> PageOf:
    """Return a page of the entries that a batch is made of. Raises NotFound."""
    async with database.transaction() as transaction:
        _own(await transaction.payouts.get(batch_id), account, batch_id)
        return await transaction.payouts.entries(batch_id, limit=limit, after=after, ascending=ascending)


async def approve_payout(
    database: Database, account: str, batch_id: uuid.UUID, *, actor: str, request_id: str, now: datetime
) -> BatchRow:
    """Approve a batch; it is approved once as many people have as it requires.

    Raises NotFound, OperationNotAllowed for the wrong person (`four_eyes`) or the wrong status.
    """
    async with database.transaction(actor, request_id) as transaction:
        batch = await _lock(transaction, account, batch_id)
        check_transition(str(batch.id), batch.status, BatchStatus.APPROVED)
        check_approver(batch.created_by, {who for who, _ in await transaction.payouts.approvals(batch.id)}, actor)
        approvals = await transaction.payouts.approve(batch.id, actor, now)
        if approvals < batch.required_approvals:
            return batch
        return await _change(transaction, batch, BatchStatus.APPROVED, now, approved_by=actor, approved_at=now)


async def execute_payout(
    database: Database,
    account: str,
    batch_id: uuid.UUID,
    *,
    actor: str,
    request_id: str,
    now: datetime,
    bank_reference: str | None = None,
) -> BatchRow:
    """Take an approved batch into transit; with the bank's reference, complete it at once.

    The same reference again changes nothing. Raises NotFound, OperationNotAllowed, CommandConflict for another
    reference than the one it was completed with.
    """
    async with database.transaction(actor, request_id) as transaction:
        batch = await _lock(transaction, account, batch_id)
        if batch.status is BatchStatus.COMPLETED and bank_reference is not None:
            return _same_reference(batch, bank_reference)
        if batch.status is not BatchStatus.PROCESSING:
            batch = await begin_payout(transaction, batch, actor, now)
        if bank_reference is None:
            return batch
        await _post(transaction, batch, PayoutCause.COMPLETED, now, bank_reference)
        return await _change(transaction, batch, BatchStatus.COMPLETED, now, bank_reference=bank_reference, paid_at=now)


async def fail_payout(
    database: Database,
    account: str,
    batch_id: uuid.UUID,
    *,
    reason: str,
    actor: str,
    request_id: str,
    now: datetime,
) -> BatchRow:
    """Give a batch up: its entries go into the next one, what was in transit is owed again, the reserve is undone.

    Raises NotFound, OperationNotAllowed for a batch that is at its end.
    """
    if not reason.strip():
        raise InvalidInput("say why the payout failed", field="reason")
    async with database.transaction(actor, request_id) as transaction:
        batch = await _lock(transaction, account, batch_id)
        check_transition(str(batch.id), batch.status, BatchStatus.FAILED)
        if batch.status is BatchStatus.PROCESSING:
            await _post(transaction, batch, PayoutCause.RETURNED, now, reason)
        await undo_reserve(transaction, batch, now)
        await transaction.payouts.release_entries(batch.id, now)
        return await _change(
            transaction, batch, BatchStatus.FAILED, now, failed_by=actor, failed_at=now, failure_reason=reason
        )


async def begin_payout(transaction: Transaction, batch: BatchRow, actor: str, now: datetime) -> BatchRow:
    """Take an approved batch that this transaction has locked into transit. Raises OperationNotAllowed."""
    check_transition(str(batch.id), batch.status, BatchStatus.PROCESSING)
    await _post(transaction, batch, PayoutCause.EXECUTED, now, None)
    return await _change(transaction, batch, BatchStatus.PROCESSING, now, executed_by=actor, executed_at=now)


async def _change(
    transaction: Transaction, batch: BatchRow, status: BatchStatus, now: datetime, **values: object
) -> BatchRow:
    check_transition(str(batch.id), batch.status, status)
    await transaction.payouts.change(batch.id, status, **values)
    changed = replace(batch, status=status, **values)  # type: ignore[arg-type]  # names and types of the row's columns
    await transaction.outbox.add([payout_batch(changed, now)])
    return changed


async def _post(
    transaction: Transaction, batch: BatchRow, cause: PayoutCause, now: datetime, reference: str | None
) -> None:
    posting = LedgerTransaction(
        id=uuid.uuid5(uuid.NAMESPACE_OID, f"payout|{batch.id}|{cause}"),
        account=batch.recipient.account,
        payment_id=None,
        payout_batch_id=batch.id,
        cause=cause,
        reference=reference,
        currency=batch.recipient.currency,
        occurred_at=now,
        postings=postings(cause, batch.recipient, batch.totals.net_minor),
    )
    await transaction.ledger.post([posting], now)


async def _lock(transaction: Transaction, account: str, batch_id: uuid.UUID) -> BatchRow:
    return _own(await transaction.payouts.get(batch_id, lock=True), account, batch_id)


def _own(batch: BatchRow | None, account: str, batch_id: uuid.UUID) -> BatchRow:
    if batch is None or batch.recipient.account != account:
        raise NotFound(f"there is no payout batch {batch_id}", field="payout_batch_id")
    return batch


def _same_reference(batch: BatchRow, bank_reference: str) -> BatchRow:
    if batch.bank_reference != bank_reference:
        raise CommandConflict("the payout was completed with another bank reference", field="bank_reference")
    return batch
