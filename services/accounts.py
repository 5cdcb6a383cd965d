"""Accounts and their gateway credentials: created, sealed, rotated. Secrets leave here only inside connectors."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError

from connectors.base import CredentialsModel
from connectors.registry import get_registration
from domain.errors import InvalidInput, NotFound
from storage.accounts import Account, credentials_context
from storage.sealing import KeyRing
from storage.unit_of_work import Database

OPERATOR = "cli"
"""Who acts when nobody else is named: whoever may run commands on the machine."""


async def create_account(database: Database, account: Account, *, actor: str = OPERATOR) -> bool:
    """Create an account; False when the id is taken."""
    async with database.transaction(actor) as transaction:
        return await transaction.accounts.create(account)


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
    credentials = parse_credentials(gateway, values)
    context = credentials_context(account, gateway)
    sealed = ring.seal(json.dumps(_revealed(credentials)).encode(), context)
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
    return parse_credentials(gateway, json.loads(ring.open(stored.sealed, stored.context)))


async def rotate_keys(database: Database, ring: KeyRing, *, actor: str = OPERATOR) -> int:
    """Wrap every record's data key with the active key; returns how many were wrapped anew. Safe to run online."""
    async with database.transaction(actor) as transaction:
        stale = [row for row in await transaction.accounts.all_credentials() if row.sealed.key_id != ring.active]
        for row in stale:
            rewrapped = ring.rewrap(row.sealed, row.context)
            await transaction.accounts.put_credentials(row.account, row.gateway, rewrapped)
    return len(stale)


def parse_credentials(gateway: str, values: Mapping[str, Any]) -> CredentialsModel:
    """Validate credentials by the gateway's own schema. The error names fields and never their values."""
    try:
        return get_registration(gateway).credentials.model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise InvalidInput(f"the credentials for {gateway} are not right: {problems}", field="credentials") from None


def _revealed(credentials: CredentialsModel) -> dict[str, Any]:
    values = credentials.model_dump()
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()}
