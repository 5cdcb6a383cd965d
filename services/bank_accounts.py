"""Bank accounts of recipients, and the accounts payouts are paid from: set, confirmed by a second person, opened."""

import json
from dataclasses import asdict
from datetime import datetime

from domain.bank_accounts import BankAccount, DebtorAccount
from domain.errors import NotFound, OperationNotAllowed
from domain.money import check_currency
from domain.settlement import Recipient
from services.bank_account_details import read_bank_account, read_debtor_account
from storage.bank_accounts import (
    BankAccounts,
    DebtorBankAccount,
    RecipientBankAccount,
    debtor_context,
    recipient_context,
)
from storage.bank_seals import put_wrapped, stale_rows
from storage.sealing import KeyRing
from storage.unit_of_work import Database, Transaction


async def set_recipient_account(
    database: Database,
    ring: KeyRing,
    recipient: Recipient,
    bank_account: BankAccount,
    *,
    actor: str,
    request_id: str,
    now: datetime,
) -> int:
    """Seal and store where a recipient is paid; returns the version. A second person confirms it before it is used.

    Raises NotFound for an account that is not there, InvalidMoney for a currency that is none.
    """
    check_currency(recipient.currency)
    sealed = ring.seal(json.dumps(asdict(bank_account)).encode(), recipient_context(recipient))
    async with database.transaction(actor, request_id) as transaction:
        await _require_account(transaction, recipient.account)
        accounts = BankAccounts(transaction.connection)
        return await accounts.put_recipient(recipient, bank_account.masked, sealed, set_by=actor, now=now)


async def confirm_recipient_account(
    database: Database, recipient: Recipient, version: int, *, actor: str, request_id: str, now: datetime
) -> None:
    """Confirm a recipient's bank account as somebody who did not set it.

    Raises NotFound, OperationNotAllowed for the wrong person (`four_eyes`) or another version than the confirmed one.
    """
    async with database.transaction(actor, request_id) as transaction:
        accounts = BankAccounts(transaction.connection)
        found = await accounts.recipient(recipient, lock=True)
        if found is None:
            raise NotFound(f"there is no bank account of {recipient.key}", field="recipient_id")
        if found.version != version:
            raise OperationNotAllowed(f"the bank account has changed: its version is {found.version}", field="version")
        if found.set_by == actor:
            raise OperationNotAllowed("a bank account is confirmed by somebody who did not set it", code="four_eyes")
        if found.confirmed_by is None:
            await accounts.confirm(recipient, actor, now)


async def set_debtor_account(
    database: Database,
    ring: KeyRing,
    account: str,
    currency: str,
    debtor: DebtorAccount,
    *,
    actor: str,
    request_id: str,
    now: datetime,
) -> int:
    """Seal and store what an account's payouts in a currency are paid from; returns the version. Raises NotFound."""
    check_currency(currency)
    sealed = ring.seal(json.dumps(asdict(debtor)).encode(), debtor_context(account, currency))
    async with database.transaction(actor, request_id) as transaction:
        await _require_account(transaction, account)
        accounts = BankAccounts(transaction.connection)
        return await accounts.put_debtor(account, currency, debtor.account.masked, sealed, set_by=actor, now=now)


async def list_bank_accounts(
    database: Database, account: str
) -> tuple[list[RecipientBankAccount], list[DebtorBankAccount]]:
    """Return every bank account of an account, still sealed."""
    async with database.transaction() as transaction:
        return await BankAccounts(transaction.connection).all(account)


async def open_recipient_account(transaction: Transaction, ring: KeyRing, recipient: Recipient) -> BankAccount:
    """Return where a recipient is paid. Raises OperationNotAllowed when nobody set it, or nobody confirmed it."""
    found = await BankAccounts(transaction.connection).recipient(recipient, lock=True)
    if found is None:
        raise OperationNotAllowed(f"{recipient.key} has no bank account", code="bank_account_missing")
    if found.confirmed_by is None:
        raise OperationNotAllowed(
            f"the bank account {found.masked} of {recipient.key} waits for a second person to confirm it",
            code="bank_account_unconfirmed",
        )
    return read_bank_account(json.loads(ring.open(found.sealed, recipient_context(recipient))))


async def open_debtor_account(transaction: Transaction, ring: KeyRing, account: str, currency: str) -> DebtorAccount:
    """Return what payouts are paid from. Raises OperationNotAllowed when nobody set it."""
    found = await BankAccounts(transaction.connection).debtor(account, currency)
    if found is None:
        raise OperationNotAllowed(
            f"account {account} has no bank account to pay {currency} from", code="debtor_account_missing"
        )
    return read_debtor_account(json.loads(ring.open(found.sealed, debtor_context(account, currency))))


async def rotate_bank_keys(database: Database, ring: KeyRing, *, actor: str, batch_size: int) -> int:
    """Wrap the data key of every bank account and bank file with the active key; returns how many.

    Safe while everything runs, for the same reasons as `services.accounts.rotate_keys`, of which this is a part.
    """
    count = 0
    while True:
        async with database.transaction(actor) as transaction:
            stale = await stale_rows(transaction.connection, ring.active, batch_size)
            for row in stale:
                await put_wrapped(transaction.connection, row, ring.rewrap(row.sealed, row.context))
        if not stale:
            return count
        count += len(stale)


async def _require_account(transaction: Transaction, account: str) -> None:
    if await transaction.accounts.get(account) is None:
        raise NotFound(f"there is no account {account!r}", field="account")
