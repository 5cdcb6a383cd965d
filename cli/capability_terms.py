"""What gateways can do, in words: short for a table, whole for a page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.base import Capability, Registration


@dataclass(frozen=True, slots=True)
class Term:
    """A capability in one word, and in a phrase that ends "it can …"."""

    short: str
    phrase: str


TERMS: Mapping[Capability, Term] = {
    Capability.VERIFIES_WEBHOOKS: Term("webhooks", "prove its callbacks"),
    Capability.CREATES_ORDERS: Term("orders", "set payments up"),
    Capability.AUTHORIZES: Term("authorize", "take a payment method for a payment set up before"),
    Capability.CAPTURES: Term("capture", "capture what was authorized first"),
    Capability.PARTIAL_CAPTURES: Term("partial", "capture a part"),
    Capability.MULTIPLE_CAPTURES: Term("multiple", "capture in several parts"),
    Capability.VOIDS: Term("void", "let an authorization or an unpaid payment go"),
    Capability.REVERSES: Term("reverse", "take a capture back before it settles"),
    Capability.REFUNDS: Term("refund", "refund"),
    Capability.PARTIAL_REFUNDS: Term("partial", "refund a part"),
    Capability.FETCHES_STATUS: Term("status", "be asked what became of a payment"),
    Capability.INCREMENTS_AUTHORIZATION: Term("increment", "raise an authorization"),
    Capability.VERIFIES_REDIRECTS: Term("redirects", "prove what the payer's browser brings back"),
    Capability.SETS_UP_MANDATES: Term("mandates", "keep a payer's agreement to later charges"),
    Capability.CHARGES_MANDATES: Term("charges", "charge without the payer present"),
    Capability.STORES_PAYMENT_METHODS: Term("vault", "keep payment methods"),
    Capability.CREATES_PAYMENT_LINKS: Term("links", "make payment links"),
    Capability.APPROVED_BY_PEOPLE: Term("approval", "have people confirm that the money came"),
    Capability.GIVES_INSTRUCTIONS: Term("instructions", "tell payers how to pay by hand"),
    Capability.REPEATS_SAFELY: Term("repeats safely", "take the same call twice with one effect"),
}
"""In the order of a payment's life, each refinement behind what it refines."""

REFINES: Mapping[Capability, Capability] = {
    Capability.PARTIAL_CAPTURES: Capability.CAPTURES,
    Capability.MULTIPLE_CAPTURES: Capability.PARTIAL_CAPTURES,
    Capability.PARTIAL_REFUNDS: Capability.REFUNDS,
}

BY_HAND = frozenset({Capability.APPROVED_BY_PEOPLE, Capability.GIVES_INSTRUCTIONS})
"""What only payments without a gateway need."""

_PHRASED = tuple(capability for capability in TERMS if capability is not Capability.REPEATS_SAFELY)


def short_terms(capabilities: Iterable[Capability]) -> str:
    """Write capabilities in one line, each refinement behind what it refines: `capture (partial), refund`."""
    has, parts = frozenset(capabilities), []
    for capability in TERMS:
        if capability in has and capability not in REFINES:
            finer = [TERMS[each].short for each in _refinements_of(capability) if each in has]
            parts.append(TERMS[capability].short + (f" ({', '.join(finer)})" if finer else ""))
    return ", ".join(parts)


def abilities_of(registration: Registration) -> list[str]:
    """What a gateway can do, in phrases; that it repeats safely is told apart, with how long."""
    return [TERMS[capability].phrase for capability in _PHRASED if registration.has(capability)]


def lacks_of(registration: Registration) -> list[str]:
    """What a gateway cannot do although others can, in phrases. What lacks as a whole is not told in parts."""
    return [
        TERMS[capability].phrase
        for capability in _PHRASED
        if not registration.has(capability) and capability not in BY_HAND and _could_have(registration, capability)
    ]


def callbacks_of(registration: Registration) -> str:
    """How much a gateway's callbacks prove: `signed`, `hint`, or `none` where nobody calls back."""
    return str(registration.callback_trust) if registration.has(Capability.VERIFIES_WEBHOOKS) else "none"


def _could_have(registration: Registration, capability: Capability) -> bool:
    coarser = REFINES.get(capability)
    return coarser is None or registration.has(coarser)


def _refinements_of(capability: Capability) -> list[Capability]:
    finer = [each for each, coarser in REFINES.items() if coarser is capability]
    return [found for each in finer for found in (each, *_refinements_of(each))]
