"""Mandates, saved payment methods and payment links. What is stored are the gateways' tokens, never card numbers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import CommandConflict
from storage.tables import MANDATES, PAYMENT_LINKS, PAYMENT_METHODS


@dataclass(frozen=True, slots=True)
class _Vaulted:
    table: Table
    key: str
    id_field: str


_MANDATES = _Vaulted(MANDATES, "id", "mandate_id")
_METHODS = _Vaulted(PAYMENT_METHODS, "id", "payment_method_id")
_LINKS = _Vaulted(PAYMENT_LINKS, "payment_id", "payment_id")


class Vault:
    """Reads and writes what is kept for later payments. Values are column names to values."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def start_mandate(self, now: datetime, **values: Any) -> None:
        """Insert a mandate; raises CommandConflict when its id is taken."""
        await self._start(_MANDATES, now, values)

    async def update_mandate(self, mandate_id: str, now: datetime, **values: Any) -> None:
        """Change a mandate."""
        await self._update(_MANDATES, mandate_id, now, values)

    async def get_mandate(self, account: str, mandate_id: str) -> Row[Any] | None:
        """Read an account's mandate and lock it."""
        return await self._get(_MANDATES, account, mandate_id)

    async def start_payment_method(self, now: datetime, **values: Any) -> None:
        """Insert a payment method; raises CommandConflict when its id is taken."""
        await self._start(_METHODS, now, values)

    async def update_payment_method(self, payment_method_id: str, now: datetime, **values: Any) -> None:
        """Change a payment method."""
        await self._update(_METHODS, payment_method_id, now, values)

    async def payment_methods_of(self, account: str, customer_id: str) -> list[Row[Any]]:
        """A customer's payment methods, oldest first."""
        methods = PAYMENT_METHODS
        statement = (
            select(methods)
            .where(methods.c.account == account, methods.c.customer_id == customer_id, methods.c.status == "active")
            .order_by(methods.c.created_at)
        )
        return list(await self._connection.execute(statement))

    async def start_link(self, now: datetime, **values: Any) -> None:
        """Insert a payment link."""
        await self._start(_LINKS, now, values)

    async def update_link(self, payment_id: str, now: datetime, **values: Any) -> None:
        """Change a payment link."""
        await self._update(_LINKS, payment_id, now, values)

    async def get_link(self, account: str, payment_id: str) -> Row[Any] | None:
        """Read the link of an account's payment and lock it."""
        return await self._get(_LINKS, account, payment_id)

    async def _start(self, vaulted: _Vaulted, now: datetime, values: dict[str, Any]) -> None:
        row = insert(vaulted.table).values(**values, created_at=now, updated_at=now)
        started = row.on_conflict_do_nothing().returning(vaulted.table.c[vaulted.key])
        if (await self._connection.execute(started)).first() is None:
            raise CommandConflict(f"the id {values[vaulted.key]!r} is taken", field=vaulted.id_field)

    async def _update(self, vaulted: _Vaulted, key: str, now: datetime, values: dict[str, Any]) -> None:
        statement = update(vaulted.table).where(vaulted.table.c[vaulted.key] == key).values(**values, updated_at=now)
        await self._connection.execute(statement)

    async def _get(self, vaulted: _Vaulted, account: str, key: str) -> Row[Any] | None:
        table = vaulted.table
        statement = select(table).where(table.c[vaulted.key] == key, table.c.account == account).with_for_update()
        return (await self._connection.execute(statement)).first()
