"""Hosted pages: made for a payment, found by their token, and what they show.

A payment that has failed is at its end. Whoever tries again gets another payment for the same: the attempts of a page
are named after its first payment, so that any process finds the latest of them and two clicks make one.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from connectors.base import GivesInstructions, Registration
from connectors.registry import get_registration
from domain.errors import InvalidInput, InvariantViolated, NotFound
from domain.payment import Status
from services.available_methods import is_paid_by_hand
from services.checkout_tokens import digest_of, digest_of_return, is_token, new_token
from services.gateways import ConnectorSource
from storage.accounts import Account
from storage.checkout_pages import CheckoutPage, CheckoutPages
from storage.manual_payment_list import get_manual_payment
from storage.payments import PaymentRecord
from storage.unit_of_work import Database
from storage.vault_list import VaultList

DEFAULT_LIFETIME = timedelta(days=7)
LONGEST_LIFETIME = timedelta(days=365)
RETURNS_FOR = timedelta(days=7)
"""How long after a page has expired payers who began in time can still see what became of their payment."""

MAX_ATTEMPTS = 10

_NAMESPACE = uuid.UUID("5b0d1b1e-5d0c-4c0b-9a53-7b4f5e1f6a0e")


class Situation(StrEnum):
    """How a payment stands, as its payer sees it."""

    READY = "ready"
    BY_HAND = "by_hand"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED_ONCE = "failed_once"
    """The payer may try again."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    GIVEN_BACK = "given_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutView:
    """What a page shows. `instructions` are how to pay by hand, where that is how and the merchant has said it."""

    page: CheckoutPage
    merchant: Account
    gateway: Registration
    payment: PaymentRecord
    situation: Situation
    instructions: str | None = None


def checked_expiry(expires_at: datetime | None, now: datetime) -> datetime:
    """When a new page expires. Raises InvalidInput for a time that has passed or is too far away."""
    chosen = now + DEFAULT_LIFETIME if expires_at is None else expires_at
    if chosen <= now:
        raise InvalidInput("the link would be expired already", field="expires_at")
    if chosen > now + LONGEST_LIFETIME:
        raise InvalidInput(f"a hosted page lives at most {LONGEST_LIFETIME.days} days", field="expires_at")
    return chosen


async def make_page(
    database: Database, account: str, payment_id: str, *, expires_at: datetime, return_url: str | None, now: datetime
) -> str:
    """Make the page of a payment and return its token, which is nowhere else. An earlier page of the payment goes."""
    token = new_token()
    page = CheckoutPage(
        digest=digest_of(token),
        account=account,
        payment_id=payment_id,
        created_at=now,
        expires_at=expires_at,
        return_url=return_url,
    )
    async with database.transaction() as transaction:
        await CheckoutPages(transaction.connection).replace(page)
    return token


async def find_page(database: Database, token: str, now: datetime) -> CheckoutPage | None:
    """The page of a token; None when there is none or it has expired. The database is not one account's."""
    page = await _get(database, digest_of(token)) if is_token(token) else None
    return page if page is not None and now < page.expires_at else None


async def find_returned(database: Database, return_token: str, now: datetime) -> CheckoutPage | None:
    """The page that a payer comes back to, which also one that has expired lately is. The database as above."""
    page = await _get(database, digest_of_return(return_token)) if is_token(return_token) else None
    return page if page is not None and now < page.expires_at + RETURNS_FOR else None


async def close_page(database: Database, account: str, payment_id: str, now: datetime) -> None:
    """Make a payment's page unusable. Who has gone on to the gateway can still see what became of it."""
    async with database.transaction() as transaction:
        await CheckoutPages(transaction.connection).close(account, payment_id, now)


async def look_at(database: Database, gateways: ConnectorSource, page: CheckoutPage) -> CheckoutView:
    """Read what a page shows. The database is the account's."""
    async with database.transaction() as transaction:
        merchant = await transaction.accounts.get(page.account)
        payment, attempts = await _latest(VaultList(transaction.connection), page)
        manual = await get_manual_payment(transaction.connection, page.account, payment.id)
    if merchant is None:
        raise InvariantViolated(f"the account {page.account!r} has a page and is not there")
    gateway = get_registration(payment.terms.gateway)
    return CheckoutView(
        page=page,
        merchant=merchant,
        gateway=gateway,
        payment=payment,
        situation=situation_of(payment, may_try_again=attempts < MAX_ATTEMPTS and not is_paid_by_hand(gateway)),
        instructions=None if manual is None else await _instructions(gateways, payment, manual.method),
    )


async def latest_attempt(database: Database, page: CheckoutPage) -> tuple[PaymentRecord, int]:
    """The payment that a page is about now, and how many there have been."""
    async with database.transaction() as transaction:
        return await _latest(VaultList(transaction.connection), page)


def situation_of(payment: PaymentRecord, *, may_try_again: bool) -> Situation:
    """How a payment stands for its payer."""
    if payment.status is Status.PENDING and payment.state.failure is not None:
        return Situation.FAILED_ONCE
    if payment.status is Status.FAILED and may_try_again:
        return Situation.FAILED_ONCE
    return _SITUATIONS[payment.status]


_SITUATIONS: Mapping[Status, Situation] = {
    Status.PENDING: Situation.READY,
    Status.PENDING_APPROVAL: Situation.BY_HAND,
    Status.PROCESSING: Situation.PROCESSING,
    # The payer's part is done; when the money is taken is the merchant's business.
    Status.AUTHORIZED: Situation.PAID,
    Status.COMPLETED: Situation.PAID,
    Status.PARTIALLY_REFUNDED: Situation.PAID,
    Status.FAILED: Situation.FAILED,
    Status.CANCELLED: Situation.CANCELLED,
    Status.REFUNDED: Situation.GIVEN_BACK,
    Status.REVERSED: Situation.GIVEN_BACK,
}


def attempt_ids(payment_id: str) -> list[str]:
    """The ids of the payments that a page may come to be about, in order; the first one is the page's own."""
    further = (uuid.uuid5(_NAMESPACE, f"{payment_id}:{number}").hex for number in range(1, MAX_ATTEMPTS))
    return [payment_id, *(f"pay_{name}" for name in further)]


async def _latest(vault: VaultList, page: CheckoutPage) -> tuple[PaymentRecord, int]:
    possible = attempt_ids(page.payment_id)
    found = await vault.payments(page.account, possible)
    if not found:
        raise InvariantViolated("a page is about a payment")
    made = [name for name in possible if name in found]
    return found[made[-1]], len(made)


async def _get(database: Database, digest: bytes) -> CheckoutPage | None:
    async with database.transaction() as transaction:
        return await CheckoutPages(transaction.connection).get(digest)


async def _instructions(gateways: ConnectorSource, payment: PaymentRecord, method: str) -> str | None:
    terms = payment.terms
    try:
        connector = await gateways.connector(terms.account, terms.gateway)
        if not isinstance(connector, GivesInstructions):
            return None
        return connector.instructions(
            method, reference=payment.resource_id, amount_minor=terms.amount_minor, currency=terms.currency
        )
    except (InvalidInput, NotFound):
        # The merchant has not said how, or no longer says so: then the payer has to ask.
        return None
