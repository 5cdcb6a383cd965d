"""Facts as connectors build them."""

from datetime import UTC, datetime

from connectors.fact_building import build_fact
from domain.facts import Fact, FactKind, Trust

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_fact_has_what_it_is_told_and_nothing_else() -> None:
    bare = build_fact("stripe", "acme", FactKind.PROCESSING, ("pi_1",), NOON, event_id="evt_1")
    full = build_fact(
        "stripe",
        "acme",
        FactKind.DISPUTE_OPENED,
        ("pi_1", "ch_1"),
        NOON,
        event_id="evt_2",
        payment_id="payment-1",
        trust=Trust.HINT,
        movement="dp_1",
        money=(1099, "USD"),
        reason="fraudulent",
        receipt_url="https://pay.example/1",
        evidence_due_at=NOON,
    )

    assert bare == Fact(
        gateway="stripe",
        account="acme",
        gateway_event_id="evt_1",
        kind=FactKind.PROCESSING,
        provider_reference="pi_1",
        occurred_at=NOON,
    )
    assert full == Fact(
        gateway="stripe",
        account="acme",
        gateway_event_id="evt_2",
        kind=FactKind.DISPUTE_OPENED,
        provider_reference="pi_1",
        related_references=("ch_1",),
        occurred_at=NOON,
        trust=Trust.HINT,
        amount_minor=1099,
        currency="USD",
        movement_reference="dp_1",
        payment_id="payment-1",
        reason="fraudulent",
        receipt_url="https://pay.example/1",
        evidence_due_at=NOON,
    )


def test_a_fact_of_an_answer_is_named_after_what_it_says_of_its_subject() -> None:
    def name(*, subject: str | None = None, movement: str | None = None) -> str:
        fact = build_fact(
            "stripe",
            "acme",
            FactKind.CAPTURED,
            ("pi_1", "ch_1"),
            NOON,
            subject=subject,
            movement=movement,
            money=(5, "USD"),
        )
        return fact.gateway_event_id

    assert name() == "api:pi_1:captured:5"
    assert name(movement="ch_1") == "api:ch_1:captured:5"
    assert name(movement="ch_1", subject="order-1") == "api:order-1:captured:5"
