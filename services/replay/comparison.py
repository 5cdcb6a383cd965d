"""Compare the rebuilt books with the live ones, a page at a time: payments, and then facts on either side."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.replay.books import Books, read_books
from services.replay.live_books import LiveBooks, position_of
from services.replay.report import Difference, Differences
from services.replay.scope import COVERED, ReplayRequest
from storage.inbox import FactKey
from storage.unit_of_work import Database

PAGE_SIZE = 250

_PAYMENT_PAGE = text("select id from payments where id > :after order by id limit :limit")
_ORDERED = " order by gateway, account, gateway_event_id limit :limit"
_AFTER = "(gateway, account, gateway_event_id) > (:gateway, :account, :event_id)"
_REBUILT_FACTS = text(f"select * from inbox where {_AFTER}{_ORDERED}")  # noqa: S608 - literals of this file
_REPLAYED_FACTS = text(
    f"select * from inbox where {_AFTER} and {COVERED}"  # noqa: S608 - literals
    " and (cast(:only_payment as text) is null or payment_id = :only_payment)"
    f" and (cast(:only_account as text) is null or account = :only_account){_ORDERED}"
)
_BY_KEY = text(
    "select inbox.* from inbox join"
    " unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:event_ids as text[]))"
    " as wanted (gateway, account, gateway_event_id) using (gateway, account, gateway_event_id)"
)
_CONTENT = (
    "kind", "provider_reference", "movement_reference", "amount_minor", "currency", "reason", "digest", "disposition",
)  # fmt: skip
_CONTENT_OF_ONE_CALLBACK = ("occurred_at", "related_references", "receipt_url", "evidence_due_at")
"""What two deliveries of the same event may say differently."""


async def compare_payments(
    live: LiveBooks, rebuilt: Database, differences: Differences, progress: Callable[[int], None]
) -> None:
    """Compare the books of every payment in the shadow."""
    after, done = "", 0
    while True:
        async with rebuilt.transaction() as transaction:
            values = {"after": after, "limit": PAGE_SIZE}
            ids = list(await transaction.connection.scalars(_PAYMENT_PAGE, values))
            ours = await read_books(transaction.connection, ids)
        if not ids:
            return
        theirs = await read_books(live.connection, ids)
        for payment_id in ids:
            _compare(payment_id, theirs[payment_id], ours[payment_id], differences)
        after, done = ids[-1], done + len(ids)
        progress(done)


async def compare_facts(live: LiveBooks, rebuilt: Database, request: ReplayRequest, differences: Differences) -> int:
    """Compare every rebuilt fact with the live one of its key, and look for live ones that were not rebuilt."""
    compared = 0
    async for page in _pages(rebuilt, _REBUILT_FACTS, {}):
        recorded = await _by_key(live.connection, page)
        for row in page:
            _compare_fact(recorded.get(_key(row)), row, differences)
        compared += len(page)
    values = {**live.coverage.values, "only_payment": request.payment_id, "only_account": request.account}
    async for page in _pages(live.connection, _REPLAYED_FACTS, values):
        async with rebuilt.transaction() as transaction:
            found = await _by_key(transaction.connection, page)
        for row in page:
            if _key(row) not in found:
                _compare_fact(row, None, differences)
    return compared


def _compare(payment_id: str, live: Books, rebuilt: Books, differences: Differences) -> None:
    for figure in sorted(live.keys() | rebuilt.keys()):
        part, name = figure
        if live.get(figure) != rebuilt.get(figure):
            differences.add(Difference(payment_id, part, name, live.get(figure), rebuilt.get(figure)))


def _compare_fact(live: Row[Any] | None, rebuilt: Row[Any] | None, differences: Differences) -> None:
    either = rebuilt if live is None else live
    if either is None:
        return
    name = f"{':'.join(_key(either))}{_callback(either)}"
    if live is None or rebuilt is None:
        sides = (None if live is None else _told(live), None if rebuilt is None else _told(rebuilt))
        differences.add(Difference(either.payment_id, "fact", name, *sides))
        return
    fields = [*_CONTENT, *_CONTENT_OF_ONE_CALLBACK] if position_of(live) == position_of(rebuilt) else [*_CONTENT]
    if live.disposition != "ignored":
        # Whose a fact is that moves nothing may depend on when it came.
        fields.append("payment_id")
    for field in fields:
        sides = (getattr(live, field), getattr(rebuilt, field))
        if sides[0] != sides[1]:
            payment_id = live.payment_id or rebuilt.payment_id
            differences.add(Difference(payment_id, "fact", f"{name} {field}", *map(_shown, sides)))


def _told(row: Row[Any]) -> str:
    amount = "" if row.amount_minor is None else f" {row.amount_minor} {row.currency}"
    movement = "" if row.movement_reference is None else f" under {row.movement_reference}"
    return f"{row.kind}{amount}{movement}, {row.disposition}"


def _callback(row: Row[Any]) -> str:
    position = position_of(row)
    return "" if position is None else f" (callback at partition {position[0]} offset {position[1]})"


def _shown(value: object) -> object:
    return value if value is None or isinstance(value, int) else str(value)


def _key(row: Row[Any]) -> FactKey:
    return (row.gateway, row.account, row.gateway_event_id)


async def _pages(
    source: AsyncConnection | Database, statement: TextClause, values: Mapping[str, object]
) -> AsyncIterator[Sequence[Row[Any]]]:
    after = ("", "", "")
    while True:
        gateway, account, event_id = after
        wanted = {**values, "gateway": gateway, "account": account, "event_id": event_id, "limit": PAGE_SIZE}
        if isinstance(source, Database):
            async with source.transaction() as transaction:
                page = (await transaction.connection.execute(statement, wanted)).all()
        else:
            page = (await source.execute(statement, wanted)).all()
        if not page:
            return
        yield page
        after = _key(page[-1])


async def _by_key(connection: AsyncConnection, page: Sequence[Row[Any]]) -> dict[FactKey, Row[Any]]:
    gateways, accounts, event_ids = map(list, zip(*map(_key, page), strict=True))
    values = {"gateways": gateways, "accounts": accounts, "event_ids": event_ids}
    return {_key(row): row for row in await connection.execute(_BY_KEY, values)}
