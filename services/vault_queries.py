"""Reading mandates, saved payment methods and payment links for those who ask over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.errors import InvariantViolated, NotFound
from domain.payment import Status
from services.checkout_pages import attempt_ids
from storage.listing import Position
from storage.payments import PaymentRecord
from storage.unit_of_work import Database
from storage.vault_list import (
    LinkFilter,
    LinkRecord,
    MandateFilter,
    MandateRecord,
    SavedMethodRecord,
    VaultList,
)

LinkStatus = Literal["started", "active", "completed", "expired", "cancelled"]

_PAID = frozenset({Status.AUTHORIZED, Status.COMPLETED, Status.PARTIALLY_REFUNDED, Status.REFUNDED, Status.REVERSED})


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """A link and the payment that it is about now: on a page of ours, a payment that failed is followed by another."""

    link: LinkRecord
    payment: PaymentRecord

    def status(self, now: datetime) -> LinkStatus:
        """Whether the link can be used. One that can be used again and again is never completed."""
        if self.link.status == "cancelled":
            return "cancelled"
        if self.payment.status in _PAID and not self.link.reusable:
            return "completed"
        if self.payment.status is Status.CANCELLED:
            return "cancelled"
        if self.link.expires_at is not None and self.link.expires_at <= now:
            return "expired"
        return self.link.status


async def get_mandate(database: Database, account: str, mandate_id: str) -> MandateRecord:
    """Return a mandate of an account. Raises NotFound."""
    async with database.transaction() as transaction:
        mandate = await VaultList(transaction.connection).mandate(account, mandate_id)
    if mandate is None:
        raise NotFound(f"there is no mandate {mandate_id!r}", field="mandate_id")
    return mandate


async def find_mandates(
    database: Database, wanted: MandateFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[MandateRecord], Position | None]:
    """Return a page of mandates and where to go on."""
    async with database.transaction() as transaction:
        return await VaultList(transaction.connection).mandates(wanted, limit=limit, after=after, ascending=ascending)


async def get_method(database: Database, account: str, customer_id: str, method_id: str) -> SavedMethodRecord:
    """Return a payment method of an account's customer. Raises NotFound."""
    async with database.transaction() as transaction:
        method = await VaultList(transaction.connection).method(account, customer_id, method_id)
    if method is None:
        raise NotFound(f"there is no payment method {method_id!r}", field="payment_method_id")
    return method


async def find_methods(
    database: Database, account: str, customer_id: str, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[SavedMethodRecord], Position | None]:
    """Return a page of a customer's saved payment methods and where to go on; empty for an unknown customer."""
    async with database.transaction() as transaction:
        vault = VaultList(transaction.connection)
        return await vault.methods(account, customer_id, limit=limit, after=after, ascending=ascending)


async def get_link(database: Database, account: str, link_id: str) -> PaymentLink:
    """Return a payment link of an account. Raises NotFound."""
    async with database.transaction() as transaction:
        vault = VaultList(transaction.connection)
        link = await vault.link(account, link_id)
        if link is None:
            raise NotFound(f"there is no payment link {link_id!r}", field="payment_link_id")
        (found,) = await _with_payments(vault, account, [link])
    return found


async def find_links(
    database: Database, wanted: LinkFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[PaymentLink], Position | None]:
    """Return a page of payment links and where to go on."""
    async with database.transaction() as transaction:
        vault = VaultList(transaction.connection)
        links, following = await vault.links(wanted, limit=limit, after=after, ascending=ascending)
        return await _with_payments(vault, wanted.account, links), following


async def _with_payments(vault: VaultList, account: str, links: Sequence[LinkRecord]) -> list[PaymentLink]:
    attempts = {link.id: attempt_ids(link.id) if link.hosted_by == "paystream" else [link.id] for link in links}
    payments = await vault.payments(account, {name for names in attempts.values() for name in names})
    found = []
    for link in links:
        latest = next((payments[name] for name in reversed(attempts[link.id]) if name in payments), None)
        if latest is None:
            raise InvariantViolated(f"the link {link.id!r} is for a payment")
        found.append(PaymentLink(link, latest))
    return found
