"""Make bank files of approved payout batches, have them again, cancel them.

Making a file executes its batches: batches, ledger and file change in one transaction. A batch is in one file that
stands; a person who cancels a file says that it never went to the bank, and only then its batches go into another.
"""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from domain.bank_accounts import BankAccount
from domain.errors import InvalidInput, InvariantViolated, NotFound, OperationNotAllowed
from domain.settlement import BatchStatus, Recipient
from services.bank_accounts import open_debtor_account, open_recipient_account
from services.bank_files.formats import WRITERS, BankFileFormat
from services.bank_files.orders import CreditTransfer, PaymentGroup, PaymentOrder
from services.payouts import begin_payout
from storage.bank_files import BankFileRow, BankFiles, file_context
from storage.sealing import KeyRing
from storage.settlement import BatchRow
from storage.unit_of_work import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BankFile:
    """A bank file and its bytes."""

    row: BankFileRow
    content: bytes

    @property
    def name(self) -> str:
        """A name for the file that says what it is."""
        suffix = BankFileFormat(self.row.format).suffix
        return f"payouts-{self.row.execution_date.isoformat()}-{self.row.id.hex[:8]}.{suffix}"


async def export_bank_file(
    database: Database,
    ring: KeyRing,
    account: str,
    batch_ids: Collection[uuid.UUID],
    file_format: BankFileFormat,
    *,
    execution_date: date,
    actor: str,
    request_id: str,
    now: datetime,
) -> BankFile:
    """Execute approved batches and write the file that pays them.

    Raises NotFound, InvalidInput, and OperationNotAllowed: a batch that is not approved, that is in another file
    (`in_bank_file`), whose recipient has no confirmed bank account; nothing is executed then.
    """
    if not batch_ids:
        raise InvalidInput("a bank file pays at least one payout batch", field="payout_batch_ids")
    if execution_date < now.astimezone(UTC).date():
        raise InvalidInput("a bank pays today at the earliest", field="execution_date")
    async with database.transaction(actor, request_id) as transaction:
        files = BankFiles(transaction.connection)
        await files.lock(account)
        batches = await _take(transaction, files, account, sorted(set(batch_ids)), actor, now)
        order = PaymentOrder(
            id=uuid.uuid4(),
            initiator=await _initiator(transaction, account),
            created_at=now,
            execution_date=execution_date,
            groups=await _groups(transaction, ring, account, batches),
            modifier=await files.count_of_day(account, file_format, now.astimezone(UTC)),
        )
        content = WRITERS[file_format](order)
        row = BankFileRow(
            id=order.id,
            account=account,
            format=file_format,
            digest=hashlib.sha256(content).digest(),
            transfer_count=len(order.transfers),
            totals=order.totals,
            execution_date=execution_date,
            sealed=ring.seal(content, file_context(account, order.id)),
            created_by=actor,
            created_at=now,
        )
        await files.insert(row, [(one.batch_id, one.amount_minor, one.currency) for one in order.transfers])
    return BankFile(row=row, content=content)


async def read_bank_file(database: Database, ring: KeyRing, account: str, file_id: uuid.UUID) -> BankFile:
    """Return a file as it was made, to the byte. Raises NotFound."""
    async with database.transaction() as transaction:
        row = _own(await BankFiles(transaction.connection).get(file_id), account, file_id)
    content = ring.open(row.sealed, file_context(account, file_id))
    if hashlib.sha256(content).digest() != row.digest:
        raise InvariantViolated(f"bank file {file_id} is not what was recorded of it")
    return BankFile(row=row, content=content)


async def list_bank_files(database: Database, account: str) -> list[BankFileRow]:
    """Return an account's files, the newest first."""
    async with database.transaction() as transaction:
        return await BankFiles(transaction.connection).of_account(account)


async def cancel_bank_file(
    database: Database,
    account: str,
    file_id: uuid.UUID,
    *,
    reason: str,
    actor: str,
    request_id: str,
    now: datetime,
) -> None:
    """Say that a file never went to the bank, or that the bank refused all of it: its batches may go into another.

    Raises NotFound, InvalidInput without a reason, OperationNotAllowed when it is cancelled, or a batch was paid.
    """
    if not reason.strip():
        raise InvalidInput("say why the bank file is cancelled", field="reason")
    async with database.transaction(actor, request_id) as transaction:
        files = BankFiles(transaction.connection)
        await files.lock(account)
        row = _own(await files.get(file_id, lock=True), account, file_id)
        if row.cancelled_at is not None:
            raise OperationNotAllowed(f"{row.cancelled_by} has cancelled the bank file already")
        for batch_id in await files.batches(file_id):
            batch = await transaction.payouts.get(batch_id, lock=True)
            if batch is not None and batch.status is BatchStatus.COMPLETED:
                raise OperationNotAllowed(f"payout batch {batch_id} of the file was paid", code="batch_completed")
        await files.cancel(file_id, by=actor, reason=reason, now=now)


async def _take(
    transaction: Transaction,
    files: BankFiles,
    account: str,
    batch_ids: Sequence[uuid.UUID],
    actor: str,
    now: datetime,
) -> list[BatchRow]:
    """Lock the batches, in the order of their ids, and bring each into transit."""
    locked = [await transaction.payouts.get(batch_id, lock=True) for batch_id in batch_ids]
    stands = await files.standing(batch_ids)
    taken = []
    for batch_id, batch in zip(batch_ids, locked, strict=True):
        if batch is None or batch.recipient.account != account:
            raise NotFound(f"there is no payout batch {batch_id}", field="payout_batch_ids")
        if stands.get(batch_id):
            raise OperationNotAllowed(f"payout batch {batch_id} is in a bank file already", code="in_bank_file")
        was_in_cancelled_file = batch_id in stands and batch.status is BatchStatus.PROCESSING
        taken.append(batch if was_in_cancelled_file else await begin_payout(transaction, batch, actor, now))
    return taken


async def _groups(
    transaction: Transaction, ring: KeyRing, account: str, batches: Sequence[BatchRow]
) -> tuple[PaymentGroup, ...]:
    """One group per currency, the transfers in the order of their recipients."""
    creditors: dict[Recipient, BankAccount] = {}
    by_currency: dict[str, list[CreditTransfer]] = {}
    for batch in sorted(batches, key=lambda one: (one.recipient, one.id)):
        recipient = batch.recipient
        if recipient not in creditors:
            creditors[recipient] = await open_recipient_account(transaction, ring, recipient)
        transfer = CreditTransfer(
            batch_id=batch.id,
            amount_minor=batch.totals.net_minor,
            currency=recipient.currency,
            creditor=creditors[recipient],
            remittance=f"Payout {batch.period.start.date()} to {batch.period.end.date()}",
        )
        by_currency.setdefault(recipient.currency, []).append(transfer)
    return tuple(
        [
            PaymentGroup(
                debtor=await open_debtor_account(transaction, ring, account, currency),
                currency=currency,
                transfers=tuple(transfers),
            )
            for currency, transfers in sorted(by_currency.items())
        ]
    )


async def _initiator(transaction: Transaction, account: str) -> str:
    found = await transaction.accounts.get(account)
    if found is None:
        raise NotFound(f"there is no account {account!r}", field="account")
    return found.name


def _own(row: BankFileRow | None, account: str, file_id: uuid.UUID) -> BankFileRow:
    if row is None or row.account != account:
        raise NotFound(f"there is no bank file {file_id}", field="bank_file_id")
    return row
