"""What Coinbase's charges and checkouts mean: the one mapping that serves API answers, status fetches and webhooks.

A charge (Commerce) and a checkout (Business) are paid once, so each is the name of its payment and of its capture.
Payment links, the predecessors of checkouts, have the same form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from connectors.amounts import read_decimal
from connectors.fact_building import FactDetails, build_fact
from connectors.payloads import (
    Payload,
    as_object,
    as_objects,
    first_text,
    moment_from_text,
    optional_identifier,
    part_of,
    require_identifier,
    unmapped_status,
)
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

GATEWAY = "coinbase"
USDC = "USDC"

_KINDS: Mapping[tuple[str, str], FactKind] = {
    ("charge", "SIGNED"): FactKind.PROCESSING,
    ("charge", "PENDING"): FactKind.PROCESSING,
    ("charge", "COMPLETED"): FactKind.CAPTURED,
    ("charge", "FAILED"): FactKind.FAILED,
    ("charge", "EXPIRED"): FactKind.CANCELLED,
    ("charge", "CANCELED"): FactKind.CANCELLED,
    ("checkout", "PROCESSING"): FactKind.PROCESSING,
    ("checkout", "COMPLETED"): FactKind.CAPTURED,
    ("checkout", "PARTIALLY_REFUNDED"): FactKind.CAPTURED,
    ("checkout", "REFUNDED"): FactKind.CAPTURED,
    ("checkout", "FAILED"): FactKind.FAILED,
    ("checkout", "EXPIRED"): FactKind.CANCELLED,
    ("checkout", "DEACTIVATED"): FactKind.CANCELLED,
    ("refund", "PENDING"): FactKind.REFUND_PENDING,
    ("refund", "COMPLETED"): FactKind.REFUNDED,
    ("refund", "FAILED"): FactKind.REFUND_FAILED,
}
"""A refunded checkout was captured before; that money went back is what its refunds say.

A charge that was paid too little, too much or too late is UNRESOLVED, and RESOLVED once a person has looked at it. What
of it is the merchant's is not said, so neither moves money here.
"""

_WITHOUT_MEANING: Mapping[str, str] = {
    "NEW": "waits for the payer",
    "ACTIVE": "waits for the payer",
    "UNRESOLVED": "is unresolved, which a person has to look at",
    "RESOLVED": "was resolved by a person",
}


def map_status(entity: str, status: str) -> FactKind | None:
    """Return what a status means for a payment; None when it means nothing yet, or is not known here."""
    return _KINDS.get((entity, status))


@dataclass(frozen=True, slots=True)
class Source:
    """Where charges and checkouts were read: in an event with an id and a time, or in an API answer, which has neither.

    `counts_usdc_as_usd` is for accounts whose payments in US dollars are priced in USDC.
    """

    account: str
    event_id: str | None = None
    occurred_at: datetime | None = None
    counts_usdc_as_usd: bool = False

    def fact(
        self,
        kind: FactKind,
        references: tuple[str, ...],
        owner: Payload,
        happened: object,
        **details: Unpack[FactDetails],
    ) -> Fact:
        """Build a fact about the payment of `owner`; the event's own time counts before `happened`."""
        return build_fact(
            GATEWAY,
            self.account,
            kind,
            references,
            self.occurred_at or moment_from_text(happened),
            event_id=self.event_id,
            payment_id=optional_identifier(part_of(owner, "metadata").get("payment_id")),
            **details,
        )


def facts_of_charge(charge: Payload, source: Source) -> list[Fact]:
    """Return what a charge of Commerce says. One without a fixed price says nothing: nobody knows what was owed."""
    charge_id, (status, happened) = require_identifier(charge, "id"), status_of_charge(charge)
    kind = map_status("charge", status)
    if kind is None or charge.get("pricing_type") == "no_price":
        return []
    references, movement, money = references_of_charge(charge), None, None
    if kind is FactKind.CAPTURED:
        movement, money = charge_id, read_charge_price(charge)
    reason = status if kind in {FactKind.FAILED, FactKind.CANCELLED} else None
    return [source.fact(kind, references, charge, happened, movement=movement, money=money, reason=reason)]


def facts_of_checkout(checkout: Payload, source: Source) -> list[Fact]:
    """Return what a checkout of Business says, and what its refunds say."""
    checkout_id, status = require_identifier(checkout, "id"), str(checkout.get("status"))
    kind = map_status("checkout", status)
    happened = checkout.get("updatedAt") or checkout.get("createdAt")
    facts: list[Fact] = []
    if kind is not None:
        movement, money = None, None
        if kind is FactKind.CAPTURED:
            movement, money = checkout_id, read_price(checkout, source)
        reason = status if kind in {FactKind.FAILED, FactKind.CANCELLED} else None
        facts = [source.fact(kind, (checkout_id,), checkout, happened, movement=movement, money=money, reason=reason)]
    for refund in as_objects(checkout.get("refunds")):
        facts += facts_of_refund(refund, checkout, source)
    return facts


def facts_of_refund(refund: Payload, checkout: Payload, source: Source) -> list[Fact]:
    """Return what a refund of a checkout says."""
    kind = map_status("refund", str(refund.get("status")))
    checkout_id, refund_id = require_identifier(checkout, "id"), require_identifier(refund, "id")
    if kind is None:
        return []
    happened = refund.get("completedAt") or refund.get("createdAt") or checkout.get("updatedAt")
    money = read_price(refund, source)
    return [source.fact(kind, (checkout_id,), checkout, happened, movement=refund_id, money=money)]


def status_of_charge(charge: Payload) -> tuple[str, object]:
    """Return a charge's status and since when: the last of its timeline, or COMPLETED if it ever was.

    Raises MalformedPayload when it has no timeline.
    """
    timeline = as_objects(charge.get("timeline"))
    if not timeline:
        raise MalformedPayload("the charge has no timeline", field="timeline")
    decisive = next((entry for entry in timeline if entry.get("status") == "COMPLETED"), timeline[-1])
    return str(decisive.get("status")), decisive.get("time")


def references_of_charge(charge: Payload) -> tuple[str, ...]:
    """Return the names of a charge: its id, and the code that people see."""
    charge_id, code = require_identifier(charge, "id"), optional_identifier(charge.get("code"))
    return (charge_id,) if code is None else (charge_id, code)


def read_charge_price(charge: Payload) -> tuple[int, str]:
    """Return a charge's price in ISO minor units and its currency. Raises MalformedPayload."""
    pricing = as_object(charge.get("pricing"), "the charge's pricing")
    local = as_object(pricing.get("local"), "the charge's local price")
    return read_decimal(local.get("amount"), str(local.get("currency")))


def read_price(owner: Payload, source: Source) -> tuple[int, str]:
    """Return the amount of a checkout or refund in ISO minor units and its currency. Raises MalformedPayload.

    One that was asked for in a fiat currency has its amount there beside the one in USDC.
    """
    if owner.get("fiatCurrency") is not None:
        return read_decimal(owner.get("fiatAmount"), str(owner.get("fiatCurrency")))
    currency = owner.get("currency")
    counted = "USD" if currency == USDC and source.counts_usdc_as_usd else currency
    return read_decimal(owner.get("amount"), str(counted))


def explain_charge(charge: Payload) -> str:
    """Say in words why a charge says nothing about its payment."""
    if charge.get("pricing_type") == "no_price":
        return "the charge has no fixed price"
    status, _ = status_of_charge(charge)
    context = first_text(*(entry.get("context") for entry in reversed(as_objects(charge.get("timeline")))))
    explanation = _explain("charge", status)
    return explanation if context is None else f"{explanation}: {context}"


def explain_checkout(checkout: Payload) -> str:
    """Say in words why a checkout says nothing about its payment."""
    return _explain("checkout", str(checkout.get("status")))


def _explain(entity: str, status: str) -> str:
    known = _WITHOUT_MEANING.get(status)
    return unmapped_status(status) if known is None else f"the {entity} {known}"
