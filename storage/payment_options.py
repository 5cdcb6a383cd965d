"""What of a gateway an account offers to its payers, and in which order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.api_tables import PAYMENT_OPTIONS

DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOption:
    """One gateway as an account offers it. What is None is not narrowed: all that the gateway has.

    The bounds are minor units of the payment's currency, both included.
    """

    account: str
    gateway: str
    enabled: bool = True
    priority: int = DEFAULT_PRIORITY
    payment_methods: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    currencies: tuple[str, ...] | None = None
    min_amount_minor: int | None = None
    max_amount_minor: int | None = None
    display_name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    updated_at: datetime


class PaymentOptions:
    """Reads and writes payment options by account and gateway."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self, account: str, *, lock: bool = False) -> list[PaymentOption]:
        """An account's options, ordered by priority, then gateway.

        With `lock` they stay as they are until the transaction ends; rows are locked in the order of their gateways.
        """
        statement = select(PAYMENT_OPTIONS).where(PAYMENT_OPTIONS.c.account == account)
        statement = statement.order_by(PAYMENT_OPTIONS.c.gateway)
        rows = await self._connection.execute(statement.with_for_update() if lock else statement)
        return sorted(map(_option, rows), key=lambda option: (option.priority, option.gateway))

    async def get(self, account: str, gateway: str, *, lock: bool = False) -> PaymentOption | None:
        """Return an account's option for a gateway."""
        statement = select(PAYMENT_OPTIONS).where(*_at(account, gateway))
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        return None if row is None else _option(row)

    async def put(self, option: PaymentOption) -> None:
        """Store an option, replacing the one that is there."""
        values = {column.name: getattr(option, column.name) for column in PAYMENT_OPTIONS.columns}
        statement = insert(PAYMENT_OPTIONS).values({name: _stored(value) for name, value in values.items()})
        changes = {name: statement.excluded[name] for name in values if name not in {"account", "gateway"}}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changes))

    async def remove(self, account: str, gateway: str) -> bool:
        """Delete an option; False when there is none."""
        statement = delete(PAYMENT_OPTIONS).where(*_at(account, gateway)).returning(PAYMENT_OPTIONS.c.gateway)
        return (await self._connection.execute(statement)).first() is not None


_KEY = (PAYMENT_OPTIONS.c.account, PAYMENT_OPTIONS.c.gateway)


def _at(account: str, gateway: str) -> tuple[Any, Any]:
    return PAYMENT_OPTIONS.c.account == account, PAYMENT_OPTIONS.c.gateway == gateway


def _stored(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _option(row: Row[Any]) -> PaymentOption:
    return PaymentOption(
        account=row.account,
        gateway=row.gateway,
        enabled=row.enabled,
        priority=row.priority,
        payment_methods=_narrowed(row.payment_methods),
        countries=_narrowed(row.countries),
        currencies=_narrowed(row.currencies),
        min_amount_minor=row.min_amount_minor,
        max_amount_minor=row.max_amount_minor,
        display_name=row.display_name,
        settings=row.settings,
        updated_at=row.updated_at,
    )


def _narrowed(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
