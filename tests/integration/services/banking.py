"""Shared by the tests of bank files and reconciliation: a captured payment, its payout batch, and bank accounts."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import text

from domain.bank_accounts import BankAccount, DebtorAccount
from domain.facts import FactKind
from domain.settlement import BatchStatus, Recipient
from services.apply_events import apply_events
from services.bank_accounts import confirm_recipient_account, set_debtor_account, set_recipient_account
from storage.sealing import KEY_BYTES, KeyRing
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, fact, open_payment, received

AFTER = NOW + timedelta(hours=2)
NET = 1_000 - 59
TENANT = Recipient("demo", "tenant", "demo", "USD")
CREDITOR = BankAccount(holder="Bäckerei Böll", number="123456789", clearing_system="USABA", bank_code="021000021")
DEBTOR = DebtorAccount(
    account=BankAccount(holder="Shop", number="555000", clearing_system="USABA", bank_code="091000019"),
    company_id="1234567890",
)


def new_ring() -> KeyRing:
    """A ring with one key."""
    return KeyRing({"first": b"k" * KEY_BYTES}, "first")


async def capture(database: Database, number: int, *, account: str = "demo", at: datetime | None = None) -> None:
    """Open a payment of 10.00 USD and capture it."""
    reference = f"pi_{number}"
    await open_payment(database, f"p{number}", reference=reference, account=account)
    captured = fact(
        f"evt_{account}_{number}",
        FactKind.CAPTURED,
        account=account,
        provider_reference=reference,
        movement_reference=f"ch_{number}",
        occurred_at=at or NOW,
    )
    await apply_events(database, received(captured), NOW)


async def make_batch(
    database: Database,
    number: int,
    *,
    recipient: Recipient = TENANT,
    net_minor: int = NET,
    status: BatchStatus = BatchStatus.APPROVED,
) -> uuid.UUID:
    """Put a batch of one entry into the tables, as settlement makes one."""
    batch_id, entry_id = uuid.uuid4(), uuid.uuid4()
    values = {
        "id": batch_id,
        "entry": entry_id,
        "account": recipient.account,
        "type": recipient.recipient_type,
        "recipient": recipient.recipient_id,
        "currency": recipient.currency,
        "payment": f"p{number}",
        "gross": net_minor + 59,
        "net": net_minor,
        "status": status,
        "start": NOW - timedelta(hours=1),
        "end": NOW + timedelta(hours=1),
        "now": AFTER,
    }
    async with database.transaction() as transaction:
        for statement in _INSERTS:
            await transaction.connection.execute(text(statement), values)
    return batch_id


_BATCH = (
    "insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor, fee_minor,"
    " net_minor, entry_count, payment_count, period_start, period_end, status, created_by, created_at)"
    " values (:id, :account, :type, :recipient, :currency, :gross, 59, :net, 1, 1, :start, :end, :status,"
    " 'settlement-agent', :now)"
)
_ENTRY = (
    "insert into settlement_entries (id, account, recipient_type, recipient_id, currency, payment_id, gateway, cause,"
    " gross_minor, fee_minor, net_minor, occurred_at, recorded_at, payout_batch_id)"
    " values (:entry, :account, :type, :recipient, :currency, :payment, 'stripe', 'capture', :gross, 59, :net, :start,"
    " :now, :id)"
)
_INSERTS = (_BATCH, _ENTRY, "insert into payout_batch_entries (payout_batch_id, entry_id) values (:id, :entry)")


async def open_bank_accounts(database: Database, ring: KeyRing, recipient: Recipient = TENANT) -> None:
    """Give a recipient a confirmed bank account, and the account one to pay dollars from."""
    await set_recipient_account(database, ring, recipient, CREDITOR, actor="ann", request_id="r", now=NOW)
    await confirm_recipient_account(database, recipient, 1, actor="bob", request_id="r", now=NOW)
    await set_debtor_account(
        database, ring, recipient.account, recipient.currency, DEBTOR, actor="ann", request_id="r", now=NOW
    )


async def balances(database: Database) -> dict[str, int]:
    """What the ledger accounts hold, without those that hold nothing."""
    async with database.transaction() as transaction:
        return {name: amount for name, _, amount in await transaction.ledger.balances() if amount}
