"""Keys of the HTTP API: made, shown once, checked in constant time, revoked.

A key reads `ps_live_{id}_{secret}`: the id finds the row, the secret has 256 random bits, and only the digest of the
whole key is stored. A slow hash would add nothing, because a random secret of this size cannot be guessed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import SecretStr

from domain.errors import InvalidInput, NotFound, Unauthenticated
from storage.api_keys import ApiKey, KeyKind, KeyMode
from storage.listing import Position
from storage.unit_of_work import Database, Transaction

NOTE_USE_EVERY = timedelta(minutes=1)
MAX_NAME_LENGTH = 100

_KEY = re.compile(r"ps_(live|test)_([a-z0-9]{16})_([A-Za-z0-9_-]{43})")
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 16
_NOBODYS = b"\x00" * 32


class Scope(StrEnum):
    """What a key may do. `admin` is all of it, and keys, accounts and operators' business besides."""

    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    REFUNDS_WRITE = "refunds:write"
    PAYOUTS_APPROVE = "payouts:approve"
    PAYOUTS_EXECUTE = "payouts:execute"
    CREDENTIALS_WRITE = "credentials:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `secret` is the whole key, and is never shown again."""

    key: ApiKey
    secret: SecretStr


async def create_key(
    database: Database,
    *,
    name: str,
    accounts: Sequence[str],
    scopes: Collection[Scope],
    actor: str,
    now: datetime,
    kind: KeyKind = "merchant",
    expires_at: datetime | None = None,
    request_id: str = "",
) -> NewKey:
    """Make a key. Raises NotFound for an unknown account, InvalidInput for what can never be a key."""
    if not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise InvalidInput(f"a key's name has 1 to {MAX_NAME_LENGTH} characters", field="name")
    if not scopes:
        raise InvalidInput("a key without a scope can do nothing", field="scopes")
    if not accounts or (kind == "merchant" and len(set(accounts)) != 1):
        raise InvalidInput("a merchant's key is for exactly one account", field="accounts")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("a key cannot expire before it is made", field="expires_at")
    async with database.transaction(actor, request_id) as transaction:
        mode = await _mode_of(transaction, accounts)
        key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
        secret = f"ps_{mode}_{key_id}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            id=key_id,
            digest=_digest(secret),
            name=name.strip(),
            kind=kind,
            mode=mode,
            accounts=tuple(sorted(set(accounts))),
            scopes=tuple(sorted(scopes)),
            created_by=actor,
            created_at=now,
            expires_at=expires_at,
        )
        await transaction.api_keys.insert(key)
    return NewKey(key, SecretStr(secret))


async def authenticate(database: Database, secret: str, now: datetime) -> ApiKey:
    """Return the key that a secret belongs to. Raises Unauthenticated, always with the same message."""
    match = _KEY.fullmatch(secret)
    async with database.transaction() as transaction:
        key = await transaction.api_keys.get(match.group(2)) if match else None
        expected = key.digest if key is not None else _NOBODYS
        is_right = hmac.compare_digest(_digest(secret), expected)
        if key is None or not is_right or not _is_valid(key, now):
            raise Unauthenticated("the API key is unknown, revoked or expired")
        await transaction.api_keys.note_use(key.id, now, at_most_every=NOTE_USE_EVERY)
    return key


async def revoke_key(
    database: Database,
    key_id: str,
    *,
    actor: str,
    now: datetime,
    account: str | None = None,
    request_id: str = "",
) -> ApiKey:
    """Revoke a key, of an account where one is named; doing it again changes nothing. Raises NotFound."""
    async with database.transaction(actor, request_id) as transaction:
        key = await transaction.api_keys.get(key_id)
        if key is None or (account is not None and account not in key.accounts):
            raise NotFound(f"there is no API key {key_id!r}", field="api_key_id")
        await transaction.api_keys.revoke(key_id, now)
        return await transaction.api_keys.get(key_id) or key


async def list_keys(database: Database, account: str | None = None) -> list[ApiKey]:
    """The keys that are valid for an account, or every key; the newest first."""
    async with database.transaction() as transaction:
        return await transaction.api_keys.all(account)


async def find_keys(
    database: Database, account: str, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[ApiKey], Position | None]:
    """Return a page of the keys that are valid for an account, and where to go on."""
    async with database.transaction() as transaction:
        return await transaction.api_keys.page(account, limit=limit, after=after, ascending=ascending)


def prefix_of(key: ApiKey) -> str:
    """What of a key may be shown: enough to find it, nothing to use it with."""
    return f"ps_{key.mode}_{key.id}"


def _is_valid(key: ApiKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


async def _mode_of(transaction: Transaction, accounts: Sequence[str]) -> KeyMode:
    modes: set[KeyMode] = set()
    for account in accounts:
        known = await transaction.accounts.get(account)
        if known is None:
            raise NotFound(f"there is no account {account!r}", field="accounts")
        modes.add(known.mode)
    if len(modes) > 1:
        raise InvalidInput("a key is for live accounts or for test accounts, not for both", field="accounts")
    return modes.pop()
