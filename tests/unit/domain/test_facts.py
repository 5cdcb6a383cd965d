from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, Fact, FactKind, Trust

MakeFact = Callable[..., Fact]


def test_references_begin_with_the_main_name(make_fact: MakeFact) -> None:
    fact = make_fact(FactKind.PROCESSING, provider_reference="pi_1", related_references=("order_1", "ch_1"))
    assert fact.references == ("pi_1", "order_1", "ch_1")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": FactKind.REFUNDED},
        {"provider_reference": "pi_2"},
        {"movement_reference": "ch_2"},
        {"amount_minor": 501},
        {"currency": "EUR"},
        {"reason": "insufficient_funds"},
    ],
)
def test_the_digest_changes_with_what_the_fact_says(make_fact: MakeFact, change: dict[str, object]) -> None:
    fact = make_fact(FactKind.CAPTURED, 500, "ch_1")
    other = replace(fact, **change)  # type: ignore[arg-type] # One of several fields, each at its own type.
    assert other.content_digest() != fact.content_digest()


def test_the_digest_does_not_change_with_how_the_fact_came(make_fact: MakeFact) -> None:
    fact = make_fact(FactKind.CAPTURED, 500, "ch_1")
    again = replace(
        fact,
        gateway_event_id="evt_other",
        occurred_at=fact.occurred_at + timedelta(seconds=9),
        payment_id="pay_1",
        receipt_url="https://receipts.example/1",
    )
    assert again.content_digest() == fact.content_digest()


def test_facts_are_trusted_as_signed_unless_a_connector_says_otherwise(make_fact: MakeFact) -> None:
    assert make_fact(FactKind.PROCESSING).trust is Trust.SIGNED


def test_every_kind_that_counts_per_movement_and_amount_names_both() -> None:
    with_amount_only = NEEDS_AMOUNT - NEEDS_MOVEMENT
    with_movement_only = NEEDS_MOVEMENT - NEEDS_AMOUNT
    assert with_amount_only == {FactKind.AUTHORIZED}
    assert with_movement_only == {FactKind.REFUND_FAILED, FactKind.DISPUTE_WON}


def test_a_fact_has_no_place_for_a_payload_or_a_secret() -> None:
    names = {field.name for field in fields(Fact)}
    assert not {name for name in names if any(word in name for word in ("raw", "body", "payload", "secret", "card"))}
