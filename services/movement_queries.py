"""Reading refunds, disputes and domain events for those who ask over HTTP.

A refund is known by its gateway's name for it, which is unique only at that gateway and within that account. Its public
id holds all three, so that it can be found without a table of ids and never means another account's refund.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from sqlalchemy import Row

from domain.errors import NotFound
from services.payment_queries import require_own
from storage.listing import Position
from storage.movement_list import MovementFilter, MovementList, MovementRecord
from storage.unit_of_work import Database, Transaction
from topics.commands import CommandResult

Kind = Literal["refund", "dispute"]

PREFIXES: dict[Kind, str] = {"refund": "re_", "dispute": "dp_"}

_FIND: dict[Kind, Callable[[MovementList, str, str, str], Awaitable[MovementRecord | None]]] = {
    "refund": MovementList.refund,
    "dispute": MovementList.dispute,
}


def movement_id(kind: Kind, movement: MovementRecord) -> str:
    """The public id of a refund or dispute: always the same, and a name only inside its account."""
    said = f"{movement.account}:{movement.gateway}:{movement.reference}".encode()
    return PREFIXES[kind] + base64.urlsafe_b64encode(said).decode().rstrip("=")


async def get_movement(database: Database, account: str, kind: Kind, public_id: str) -> MovementRecord:
    """Return a refund or dispute of an account. Raises NotFound."""
    gateway, reference = _read_id(kind, account, public_id)
    async with database.transaction() as transaction:
        found = await _FIND[kind](MovementList(transaction.connection), account, gateway, reference)
    if found is None or movement_id(kind, found) != public_id:
        raise _unknown(kind, public_id)
    return found


async def find_movements(
    database: Database, kind: Kind, wanted: MovementFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[MovementRecord], Position | None]:
    """Return a page of refunds or disputes and where to go on."""
    async with database.transaction() as transaction:
        movements = MovementList(transaction.connection)
        pages = movements.refunds if kind == "refund" else movements.disputes
        return await pages(wanted, limit=limit, after=after, ascending=ascending)


async def find_movements_of_payment(
    database: Database,
    account: str,
    payment_id: str,
    kind: Kind,
    *,
    limit: int,
    after: Position | None,
    ascending: bool,
) -> tuple[list[MovementRecord], Position | None]:
    """Return a page of a payment's refunds or disputes and where to go on. Raises NotFound."""
    async with database.transaction() as transaction:
        await _require_payment(transaction, account, payment_id)
    wanted = MovementFilter(account=account, payment_id=payment_id)
    return await find_movements(database, kind, wanted, limit=limit, after=after, ascending=ascending)


async def find_events(
    database: Database, account: str, payment_id: str, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[Row[Any]], Position | None]:
    """Return a page of a payment's domain events and where to go on. Raises NotFound."""
    async with database.transaction() as transaction:
        await _require_payment(transaction, account, payment_id)
        movements = MovementList(transaction.connection)
        page = await movements.events(payment_id, limit=limit, after=after, ascending=ascending)
    return page.rows, page.next


async def find_refund_of(database: Database, result: CommandResult) -> MovementRecord | None:
    """Return the refund that a command led to; None while the gateway has not told of it."""
    if result.outcome != "succeeded" or result.payment_id is None or result.amount_minor is None:
        return None
    async with database.transaction() as transaction:
        movements = MovementList(transaction.connection)
        return await movements.refund_of_command(result.payment_id, result.amount_minor, result.completed_at)


async def _require_payment(transaction: Transaction, account: str, payment_id: str) -> None:
    require_own(await transaction.payments.get(payment_id), account, payment_id)


def _read_id(kind: Kind, account: str, public_id: str) -> tuple[str, str]:
    """Gateway and reference of an account's refund or dispute. Raises NotFound for whatever is no id of its own."""
    prefix = PREFIXES[kind]
    encoded = public_id.removeprefix(prefix)
    try:
        said = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError as error:
        raise _unknown(kind, public_id) from error
    owner, _, name = said.partition(":")
    gateway, _, reference = name.partition(":")
    if owner != account or not public_id.startswith(prefix) or "\x00" in name:
        raise _unknown(kind, public_id)
    return gateway, reference


def _unknown(kind: Kind, public_id: str) -> NotFound:
    return NotFound(f"there is no {kind} {public_id!r}", field=f"{kind}_id")
