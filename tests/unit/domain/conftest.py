"""A payment of 1000 US cents, 900 for the tenant and 100 for a partner, and facts about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.facts import NEEDS_MOVEMENT, Fact, FactKind
from domain.payment import PaymentState, PaymentTerms, Split, fold

FIRST_SECOND = datetime(2026, 3, 1, tzinfo=UTC)

MakeFact = Callable[..., Fact]
FoldFacts = Callable[..., PaymentState]


@pytest.fixture
def terms() -> PaymentTerms:
    return PaymentTerms(
        payment_id="pay_1",
        account="demo",
        gateway="stripe",
        amount_minor=1000,
        currency="USD",
        splits=(Split("tenant", "shop", 900), Split("partner", "courier", 100)),
    )


@pytest.fixture
def make_fact() -> MakeFact:
    """Build a fact from its kind, amount and movement; each next one is a second later, unless told otherwise."""
    made = 0

    def make(kind: FactKind, amount_minor: int | None = None, movement: str | None = None, **other: object) -> Fact:
        nonlocal made
        made += 1
        fields = {
            "gateway": "stripe",
            "account": "demo",
            "gateway_event_id": f"evt_{made}",
            "kind": kind,
            "provider_reference": "pi_1",
            "occurred_at": FIRST_SECOND + timedelta(seconds=made),
            "amount_minor": amount_minor,
            "currency": None if amount_minor is None else "USD",
            "movement_reference": movement or (f"{kind}_1" if kind in NEEDS_MOVEMENT else None),
        }
        return Fact(**(fields | other))  # type: ignore[arg-type] # A test may want any field at any value.

    return make


@pytest.fixture
def folded(terms: PaymentTerms) -> FoldFacts:
    """Fold facts, in the order given, from nothing."""

    def fold_facts(*facts: Fact) -> PaymentState:
        state = PaymentState()
        for fact in facts:
            state = fold(state, terms, fact)
        return state

    return fold_facts
