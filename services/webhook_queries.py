"""Received callbacks for those who ask over HTTP."""

from storage.inbox_list import ReceivedFact, ReceivedFilter, list_received
from storage.listing import Position
from storage.unit_of_work import Database


async def find_received(
    database: Database, wanted: ReceivedFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[ReceivedFact], Position | None]:
    """Return a page of facts that callbacks brought, and where to go on."""
    async with database.transaction() as transaction:
        return await list_received(transaction.connection, wanted, limit=limit, after=after, ascending=ascending)
