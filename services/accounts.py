"""Accounts and their gateway credentials: created, sealed, opened. Secrets leave here only inside connectors."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import SecretStr, ValidationError

from connectors.base import CredentialsModel
from connectors.registry import get_registration
from domain.errors import InvalidInput, NotFound
from services.bank_accounts import rotate_bank_keys
from storage.accounts import Account, SealedCredentials, credentials_context
from storage.sealing import KeyRing, Sealed
from storage.unit_of_work import Database

OPERATOR = "cli"
"""Who acts when nobody else is named: whoever may run commands on the machine."""

ROTATED_AT_ONCE = 50
"""How many records are wrapped anew in one transaction: others wait no longer than for so many."""


async def create_account(database: Database, account: Account, *, actor: str = OPERATOR, request_id: str = "") -> bool:
    """Create an account; False when the id is taken."""
    async with database.transaction(actor, request_id) as transaction:
        return await transaction.accounts.create(account)


async def find_accounts(database: Database, accounts: Collection[str]) -> list[Account]:
    """Those of the accounts that there are, by id."""
    async with database.transaction() as transaction:
        return await transaction.accounts.among(accounts)


async def get_account(database: Database, account: str) -> Account:
    """Return an account. Raises NotFound."""
    async with database.transaction() as transaction:
        known = await transaction.accounts.get(account)
    if known is None:
        raise NotFound(f"there is no account {account!r}", field="account")
    return known


async def set_credentials(
    database: Database,
    ring: KeyRing,
    account: str,
    gateway: str,
    values: Mapping[str, Any],
    *,
    actor: str = OPERATOR,
) -> int:
    """Check, seal and store an account's credentials at a gateway; returns their version.

    Raises NotFound for an unknown gateway or account, InvalidInput naming the fields that are wrong.
    """
    sealed = seal_credentials(ring, account, gateway, parse_credentials(gateway, values))
    async with database.transaction(actor) as transaction:
        if await transaction.accounts.get(account) is None:
            raise NotFound(f"there is no account {account!r}", field="account")
        return await transaction.accounts.put_credentials(account, gateway, sealed)


async def load_credentials(database: Database, ring: KeyRing, account: str, gateway: str) -> CredentialsModel:
    """Open an account's credentials. Raises NotFound when it has none at this gateway."""
    async with database.transaction() as transaction:
        stored = await transaction.accounts.get_credentials(account, gateway)
    if stored is None:
        raise NotFound(f"account {account!r} has no credentials for {gateway!r}", field="account")
    return parse_credentials(gateway, open_values(ring, stored))


async def rotate_keys(
    database: Database, ring: KeyRing, *, actor: str = OPERATOR, batch_size: int = ROTATED_AT_ONCE
) -> int:
    """Wrap the data keys of everything that is sealed with the active key; returns how many were wrapped anew.

    That is credentials, stored answers, bank accounts and bank files.

    Safe while everything runs: it goes in small transactions, and each locks its records before it reads them, so that
    credentials which somebody sets at the same moment are never put back. It may be interrupted and run again.
    Raises InvariantViolated when a record is wrapped with a key that is not on the ring.
    """
    count = 0
    for rotate in (_rotate_credentials, _rotate_answers):
        while wrapped := await rotate(database, ring, actor, batch_size):
            count += wrapped
    return count + await rotate_bank_keys(database, ring, actor=actor, batch_size=batch_size)


def parse_credentials(gateway: str, values: Mapping[str, Any]) -> CredentialsModel:
    """Validate credentials by the gateway's own schema. The error names fields and never their values."""
    try:
        return get_registration(gateway).credentials.model_validate(dict(values))
    except ValidationError as error:
        wrong = [(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors()]
        problems = "; ".join(f"{name}: {message}" if name else message for name, message in wrong)
        names = {name for name, _ in wrong}
        field = f"credentials.{names.pop()}" if len(names) == 1 and "" not in names else "credentials"
        raise InvalidInput(f"the credentials for {gateway} are not right: {problems}", field=field) from None


def seal_credentials(ring: KeyRing, account: str, gateway: str, credentials: CredentialsModel) -> Sealed:
    """Seal valid credentials, bound to their account and gateway."""
    return ring.seal(json.dumps(_revealed(credentials)).encode(), credentials_context(account, gateway))


def open_values(ring: KeyRing, stored: SealedCredentials) -> dict[str, Any]:
    """Open sealed credentials: their values by field, secrets included, unchecked."""
    values: dict[str, Any] = json.loads(ring.open(stored.sealed, stored.context))
    return values


async def _rotate_credentials(database: Database, ring: KeyRing, actor: str, limit: int) -> int:
    async with database.transaction(actor) as transaction:
        stale = await transaction.accounts.lock_wrapped_with_others(ring.active, limit)
        for credentials in stale:
            rewrapped = ring.rewrap(credentials.sealed, credentials.context)
            await transaction.accounts.put_wrapping(credentials, rewrapped)
    return len(stale)


async def _rotate_answers(database: Database, ring: KeyRing, actor: str, limit: int) -> int:
    async with database.transaction(actor) as transaction:
        stale = await transaction.api_answers.lock_wrapped_with_others(ring.active, limit)
        for answer in stale:
            rewrapped = ring.rewrap(answer.sealed, answer.context)
            await transaction.api_answers.finish(answer.account, answer.idempotency_key, rewrapped)
    return len(stale)


def _revealed(credentials: CredentialsModel) -> dict[str, Any]:
    values = credentials.model_dump()
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()}
