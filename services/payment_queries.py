"""Reading and describing payments for those who ask over HTTP."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from domain.errors import NotFound, PreconditionFailed
from storage.listing import Position
from storage.payment_list import PaymentFilter, list_payments
from storage.payments import PaymentRecord
from storage.unit_of_work import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a merchant may change about a payment: nothing that money depends on. None leaves a value as it is."""

    description: str | None = None
    user_name: str | None = None
    metadata: dict[str, str] | None = None


async def get_payment(database: Database, account: str, payment_id: str) -> PaymentRecord:
    """Return a payment of an account. Raises NotFound."""
    async with database.transaction() as transaction:
        return require_own(await transaction.payments.get(payment_id), account, payment_id)


async def find_payments(
    database: Database, wanted: PaymentFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[PaymentRecord], Position | None]:
    """Return a page of payments and where to go on."""
    async with database.transaction() as transaction:
        return await list_payments(transaction.connection, wanted, limit=limit, after=after, ascending=ascending)


async def describe_payment(
    database: Database,
    account: str,
    payment_id: str,
    said: Description,
    *,
    actor: str,
    request_id: str,
    now: datetime,
    if_match: str | None = None,
) -> PaymentRecord:
    """Change what describes a payment; with `if_match`, only when nobody else has changed it meanwhile.

    Raises NotFound, PreconditionFailed.
    """
    async with database.transaction(actor, request_id) as transaction:
        payment = await _lock_own(transaction, account, payment_id)
        if if_match is not None and if_match != version_of(payment):
            raise PreconditionFailed("the payment has been changed meanwhile: read it again")
        await transaction.payments.describe(
            payment.id,
            description=payment.description if said.description is None else said.description,
            user_name=payment.user_name if said.user_name is None else said.user_name,
            metadata=payment.metadata if said.metadata is None else said.metadata,
            now=now,
        )
        return require_own(await transaction.payments.get(payment_id), account, payment_id)


def version_of(payment: PaymentRecord) -> str:
    """A name of the payment's present version, which changes with every write."""
    said = f"{payment.id}:{payment.event_sequence}:{payment.updated_at}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def require_own(payment: PaymentRecord | None, account: str, payment_id: str) -> PaymentRecord:
    """Return the payment when it is the account's. Raises NotFound."""
    if payment is None or payment.terms.account != account:
        raise NotFound(f"there is no payment {payment_id!r}", field="payment_id")
    return payment


async def _lock_own(transaction: Transaction, account: str, payment_id: str) -> PaymentRecord:
    found = await transaction.payments.lock({payment_id})
    return require_own(found.get(payment_id), account, payment_id)
