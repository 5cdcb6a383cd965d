"""Reading payments that people made by hand."""

from domain.errors import NotFound
from domain.payment import Status
from storage.listing import Position
from storage.manual_payment_list import ManualPaymentRecord, get_manual_payment, list_manual_payments
from storage.unit_of_work import Database


async def read_manual_payment(database: Database, account: str, payment_id: str) -> ManualPaymentRecord:
    """Return a manual payment of an account. Raises NotFound."""
    async with database.transaction() as transaction:
        found = await get_manual_payment(transaction.connection, account, payment_id)
    if found is None:
        raise NotFound(f"there is no manual payment {payment_id!r}", field="payment_id")
    return found


async def find_manual_payments(
    database: Database, account: str, status: Status | None, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[ManualPaymentRecord], Position | None]:
    """Return a page of an account's manual payments and where to go on."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        return await list_manual_payments(connection, account, status, limit=limit, after=after, ascending=ascending)
