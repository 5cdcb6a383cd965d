"""Accounts and their sealed gateway credentials."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sealing import Sealed
from storage.tables import ACCOUNTS, GATEWAY_CREDENTIALS


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

    async def put_credentials(self, account: str, gateway: str, sealed: Sealed) -> int:
        """Store credentials, replacing older ones; returns their version."""
        statement = text(
            "insert into gateway_credentials (account, gateway, key_id, wrapped_key, ciphertext)"
            " values (:account, :gateway, :key_id, :wrapped_key, :ciphertext)"
            " on conflict (account, gateway) do update set key_id = excluded.key_id,"
            " wrapped_key = excluded.wrapped_key, ciphertext = excluded.ciphertext,"
            " version = gateway_credentials.version + 1, updated_at = now() returning version"
        )
        values = {
            "account": account,
            "gateway": gateway,
            "key_id": sealed.key_id,
            "wrapped_key": sealed.wrapped_key,
            "ciphertext": sealed.ciphertext,
        }
        return int((await self._connection.execute(statement, values)).scalar_one())

    async def get_credentials(self, account: str, gateway: str) -> SealedCredentials | None:
        """Return one account's sealed credentials at one gateway."""
        found = await self._select_credentials(account, gateway)
        return found[0] if found else None

    async def all_credentials(self) -> list[SealedCredentials]:
        """Every sealed credential, for rotation and for the directory of the ingress."""
        return await self._select_credentials(None, None)

    async def _select_credentials(self, account: str | None, gateway: str | None) -> list[SealedCredentials]:
        statement = select(GATEWAY_CREDENTIALS).order_by(GATEWAY_CREDENTIALS.c.account, GATEWAY_CREDENTIALS.c.gateway)
        if account is not None:
            statement = statement.where(
                GATEWAY_CREDENTIALS.c.account == account, GATEWAY_CREDENTIALS.c.gateway == gateway
            )
        rows = await self._connection.execute(statement)
        return [
            SealedCredentials(
                row.account, row.gateway, Sealed(row.key_id, row.wrapped_key, row.ciphertext), row.version
            )
            for row in rows
        ]


def _account(row: Row[Any]) -> Account:
    return Account(row.id, row.name, row.fee_basis_points, row.fee_fixed_minor, row.mode)
