"""Accounts and their sealed gateway credentials."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sealing import Sealed
from storage.tables import ACCOUNTS, GATEWAY_CREDENTIALS

CREDENTIALS_CHANNEL = "paystream_credentials"
"""Channel on which the database tells whose credentials have changed, as `account:gateway`."""


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant, and the fees it is charged on captures."""

    id: str
    name: str
    fee_basis_points: int
    fee_fixed_minor: int
    mode: Literal["live", "test"] = "live"


@dataclass(frozen=True, slots=True)
class SealedCredentials:
    """One account's credentials at one gateway, still sealed."""

    account: str
    gateway: str
    sealed: Sealed
    version: int
    updated_at: datetime

    @property
    def context(self) -> str:
        """What the seal is bound to."""
        return credentials_context(self.account, self.gateway)


def credentials_context(account: str, gateway: str) -> str:
    """What the seal of a gateway's credentials is bound to."""
    return f"credentials:{account}:{gateway}"


class Accounts:
    """Reads and writes accounts and credentials."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(self, account: Account) -> bool:
        """Insert an account; False when the id is taken."""
        statement = text(
            "insert into accounts (id, name, fee_basis_points, fee_fixed_minor, mode)"
            " values (:id, :name, :fee_basis_points, :fee_fixed_minor, :mode) on conflict do nothing returning id"
        )
        values = {
            "id": account.id,
            "name": account.name,
            "fee_basis_points": account.fee_basis_points,
            "fee_fixed_minor": account.fee_fixed_minor,
            "mode": account.mode,
        }
        return (await self._connection.execute(statement, values)).first() is not None

    async def get(self, account: str) -> Account | None:
        """Return an account by id."""
        row = (await self._connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == account))).first()
        return None if row is None else _account(row)

    async def all(self) -> list[Account]:
        """Every account, by id."""
        rows = await self._connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.id))
        return [_account(row) for row in rows]

    async def among(self, accounts: Collection[str]) -> list[Account]:
        """Those of the accounts that there are, by id."""
        statement = select(ACCOUNTS).where(ACCOUNTS.c.id.in_(accounts)).order_by(ACCOUNTS.c.id)
        return [_account(row) for row in await self._connection.execute(statement)]

    async def put_credentials(self, account: str, gateway: str, sealed: Sealed) -> int:
        """Store credentials, replacing older ones; returns their version."""
        values = {"account": account, "gateway": gateway, "ciphertext": sealed.ciphertext}
        values |= {"key_id": sealed.key_id, "wrapped_key": sealed.wrapped_key}
        return int((await self._connection.execute(_PUT_CREDENTIALS, values)).scalar_one())

    async def remove_credentials(self, account: str, gateway: str) -> bool:
        """Delete credentials; False when there are none."""
        removed = await self._connection.execute(_REMOVE_CREDENTIALS, {"account": account, "gateway": gateway})
        return removed.first() is not None

    async def get_credentials(self, account: str, gateway: str, *, lock: bool = False) -> SealedCredentials | None:
        """Return one account's sealed credentials at one gateway; locked until the transaction ends if asked."""
        statement = _credentials().where(
            GATEWAY_CREDENTIALS.c.account == account, GATEWAY_CREDENTIALS.c.gateway == gateway
        )
        found = await self._read_credentials(statement.with_for_update() if lock else statement)
        return found[0] if found else None

    async def credentials_of(self, account: str) -> list[SealedCredentials]:
        """Every sealed credential of an account, by gateway."""
        return await self._read_credentials(_credentials().where(GATEWAY_CREDENTIALS.c.account == account))

    async def configured(self) -> frozenset[tuple[str, str]]:
        """Which account has credentials at which gateway, for every account; without the credentials."""
        rows = await self._connection.execute(select(GATEWAY_CREDENTIALS.c.account, GATEWAY_CREDENTIALS.c.gateway))
        return frozenset((row.account, row.gateway) for row in rows)

    async def lock_wrapped_with_others(self, active_key: str, limit: int) -> list[SealedCredentials]:
        """Lock the next credentials that are wrapped with another key, in the order in which everybody locks them.

        One that is being replaced at this moment is waited for, and left out if its new form has the active key.
        """
        statement = _credentials().where(GATEWAY_CREDENTIALS.c.key_id != active_key).limit(limit)
        return await self._read_credentials(statement.with_for_update())

    async def put_wrapping(self, credentials: SealedCredentials, sealed: Sealed) -> None:
        """Store the same credentials under another key; they stay the same version. They must have been locked."""
        values = {"account": credentials.account, "gateway": credentials.gateway, "version": credentials.version}
        values |= {"key_id": sealed.key_id, "wrapped_key": sealed.wrapped_key}
        await self._connection.execute(_PUT_WRAPPING, values)

    async def _read_credentials(self, statement: Select[Any]) -> list[SealedCredentials]:
        return [
            SealedCredentials(
                row.account,
                row.gateway,
                Sealed(row.key_id, row.wrapped_key, row.ciphertext),
                row.version,
                row.updated_at,
            )
            for row in await self._connection.execute(statement)
        ]


_PUT_CREDENTIALS = text(
    "insert into gateway_credentials (account, gateway, key_id, wrapped_key, ciphertext)"
    " values (:account, :gateway, :key_id, :wrapped_key, :ciphertext)"
    " on conflict (account, gateway) do update set key_id = excluded.key_id,"
    " wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext,"
    " version = gateway_credentials.version + 1, updated_at = now() returning version"
)
_REMOVE_CREDENTIALS = text(
    "delete from gateway_credentials where account = :account and gateway = :gateway returning gateway"
)
_PUT_WRAPPING = text(
    "update gateway_credentials set key_id = :key_id, wrapped_key = :wrapped_key"
    " where account = :account and gateway = :gateway and version = :version"
)


def _credentials() -> Select[Any]:
    return select(GATEWAY_CREDENTIALS).order_by(GATEWAY_CREDENTIALS.c.account, GATEWAY_CREDENTIALS.c.gateway)


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.name, row.fee_basis_points, row.fee_fixed_minor, row.mode)
