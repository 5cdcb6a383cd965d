"""Where recipients are paid, and what payouts are paid from. The details are sealed; only `masked` is for people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import Recipient
from storage.reconciliation_tables import DEBTOR_BANK_ACCOUNTS as DEBTORS
from storage.reconciliation_tables import RECIPIENT_BANK_ACCOUNTS as RECIPIENTS
from storage.sealing import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientBankAccount:
    """One recipient's bank account in one currency; it is used once somebody other than `set_by` confirmed it."""

    recipient: Recipient
    masked: str
    sealed: Sealed
    version: int
    set_by: str
    set_at: datetime
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtorBankAccount:
    """What an account's payouts in one currency are paid from."""

    account: str
    currency: str
    masked: str
    sealed: Sealed
    version: int
    set_by: str
    set_at: datetime


def recipient_context(recipient: Recipient) -> str:
    """What the seal of a recipient's bank account is bound to."""
    return f"recipient-bank-account:{recipient.key}"


def debtor_context(account: str, currency: str) -> str:
    """What the seal of an account's own bank account is bound to."""
    return f"debtor-bank-account:{account}:{currency}"


class BankAccounts:
    """Reads and writes bank accounts."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put_recipient(
        self, recipient: Recipient, masked: str, sealed: Sealed, *, set_by: str, now: datetime
    ) -> int:
        """Store a recipient's bank account, unconfirmed, in place of an older one; returns its version."""
        key = {
            "account": recipient.account,
            "recipient_type": recipient.recipient_type,
            "recipient_id": recipient.recipient_id,
            "currency": recipient.currency,
        }
        values = {"masked": masked, **_sealed_values(sealed), "set_by": set_by, "set_at": now}
        unconfirmed = {"confirmed_by": None, "confirmed_at": None}
        statement = insert(RECIPIENTS).values(**key, **values, version=1)
        replaced = statement.on_conflict_do_update(
            index_elements=list(key), set_={**values, **unconfirmed, "version": RECIPIENTS.c.version + 1}
        )
        return int((await self._connection.execute(replaced.returning(RECIPIENTS.c.version))).scalar_one())

    async def recipient(self, recipient: Recipient, *, lock: bool = False) -> RecipientBankAccount | None:
        """Return a recipient's bank account in the recipient's currency."""
        columns = RECIPIENTS.c
        statement = select(RECIPIENTS).where(
            columns.account == recipient.account,
            columns.recipient_type == recipient.recipient_type,
            columns.recipient_id == recipient.recipient_id,
            columns.currency == recipient.currency,
        )
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        return None if row is None else _recipient(row)

    async def confirm(self, recipient: Recipient, confirmed_by: str, now: datetime) -> None:
        """Write down who confirmed a recipient's bank account."""
        columns = RECIPIENTS.c
        statement = update(RECIPIENTS).where(
            columns.account == recipient.account,
            columns.recipient_type == recipient.recipient_type,
            columns.recipient_id == recipient.recipient_id,
            columns.currency == recipient.currency,
        )
        await self._connection.execute(statement.values(confirmed_by=confirmed_by, confirmed_at=now))

    async def put_debtor(
        self, account: str, currency: str, masked: str, sealed: Sealed, *, set_by: str, now: datetime
    ) -> int:
        """Store what payouts are paid from, in place of an older account; returns its version."""
        values = {"masked": masked, **_sealed_values(sealed), "set_by": set_by, "set_at": now}
        statement = insert(DEBTORS).values(account=account, currency=currency, **values, version=1)
        replaced = statement.on_conflict_do_update(
            index_elements=["account", "currency"], set_={**values, "version": DEBTORS.c.version + 1}
        )
        return int((await self._connection.execute(replaced.returning(DEBTORS.c.version))).scalar_one())

    async def debtor(self, account: str, currency: str) -> DebtorBankAccount | None:
        """Return what an account's payouts in a currency are paid from."""
        columns = DEBTORS.c
        statement = select(DEBTORS).where(columns.account == account, columns.currency == currency)
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _debtor(row)

    async def all(self, account: str) -> tuple[list[RecipientBankAccount], list[DebtorBankAccount]]:
        """Every bank account of an account: its recipients', and its own."""
        recipients = select(RECIPIENTS).where(RECIPIENTS.c.account == account).order_by(*RECIPIENTS.primary_key)
        debtors = select(DEBTORS).where(DEBTORS.c.account == account).order_by(*DEBTORS.primary_key)
        return (
            [_recipient(row) for row in await self._connection.execute(recipients)],
            [_debtor(row) for row in await self._connection.execute(debtors)],
        )


def _sealed_values(sealed: Sealed) -> dict[str, Any]:
    return {"key_id": sealed.key_id, "wrapped_key": sealed.wrapped_key, "ciphertext": sealed.ciphertext}


def _recipient(row: Row[Any]) -> RecipientBankAccount:
    return RecipientBankAccount(
        recipient=Recipient(row.account, row.recipient_type, row.recipient_id, row.currency),
        masked=row.masked,
        sealed=Sealed(row.key_id, row.wrapped_key, row.ciphertext),
        version=row.version,
        set_by=row.set_by,
        set_at=row.set_at,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
    )


def _debtor(row: Row[Any]) -> DebtorBankAccount:
    return DebtorBankAccount(
        account=row.account,
        currency=row.currency,
        masked=row.masked,
        sealed=Sealed(row.key_id, row.wrapped_key, row.ciphertext),
        version=row.version,
        set_by=row.set_by,
        set_at=row.set_at,
    )
