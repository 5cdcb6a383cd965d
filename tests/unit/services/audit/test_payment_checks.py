from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.facts import Fact, FactKind
from domain.ledger import movements
from domain.payment import EVENT_ID_CONFLICT, PaymentState, PaymentTerms, Split, fold, status_of, totals
from domain.settlement import Recipient
from services.audit.payment_checks import check_entries, check_facts, check_ledger, check_transitions
from services.audit.payment_pages import Amounts, AuditedPayment

TERMS = PaymentTerms(
    payment_id="p1",
    account="demo",
    gateway="stripe",
    amount_minor=1_000,
    currency="USD",
    splits=(Split("tenant", "demo", 900), Split("partner", "atelier", 100)),
    fee_basis_points=290,
    fee_fixed_minor=30,
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARTNER = Recipient("demo", "partner", "atelier", "USD")


def _fact(kind: FactKind, amount_minor: int | None = None, movement: str | None = None, second: int = 0) -> Fact:
    return Fact(
        gateway="stripe",
        account="demo",
        gateway_event_id=f"evt_{kind}_{movement}",
        kind=kind,
        provider_reference="pi_1",
        occurred_at=NOON + timedelta(seconds=second),
        amount_minor=amount_minor,
        currency=None if amount_minor is None else "USD",
        movement_reference=movement,
    )


FACTS = (
    _fact(FactKind.AUTHORIZED, 1_000),
    _fact(FactKind.CAPTURED, 1_000, "ch_1", 1),
    _fact(FactKind.REFUNDED, 300, "re_1", 2),
    replace(_fact(FactKind.IGNORED, second=3), reason=EVENT_ID_CONFLICT),
)


def _stored(facts: Sequence[Fact] = FACTS) -> AuditedPayment:
    """A payment with everything written as it should be, in the order of the facts."""
    state = PaymentState()
    postings: dict[tuple[str, str], int] = {}
    entries: dict[Recipient, Amounts] = {}
    transitions = []
    for fact in facts:
        after = fold(state, TERMS, fact)
        for movement in movements(state, after, TERMS):
            for account, amount in movement.postings:
                postings[account, "USD"] = postings.get((account, "USD"), 0) + amount
            for share in movement.shares:
                recipient = Recipient("demo", share.split.recipient_type, share.split.recipient_id, "USD")
                gained = Amounts(gross_minor=share.gross_minor, fee_minor=share.fee_minor, net_minor=share.net_minor)
                entries[recipient] = entries.get(recipient, Amounts()) + gained
        if status_of(after) is not status_of(state):
            transitions.append((status_of(state).value, status_of(after).value))
        state = after
    sums = totals(state.steps)
    return AuditedPayment(
        terms=TERMS,
        awaiting_approval=False,
        status=status_of(state).value,
        steps=frozenset(state.steps),
        authorized_minor=sums.authorized,
        captured_minor=sums.captured,
        refunded_minor=sums.refunded,
        disputed_minor=sums.dispute_open + sums.dispute_lost,
        paid_at=state.paid_at,
        refunded_at=state.refunded_at,
        facts=list(facts),
        postings=postings,
        entries=entries,
        transitions=transitions,
    )


CHECKS = (check_facts, check_ledger, check_entries, check_transitions)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("facts", [(), FACTS, FACTS[1::-1]], ids=["no facts", "all facts", "in another order"])
def test_a_payment_as_written_passes(check: Callable[[AuditedPayment], Iterator[str]], facts: Sequence[Fact]) -> None:
    assert list(check(_stored(facts))) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "completed"}, "status is completed, its facts make it partially_refunded"),
        ({"captured_minor": 999}, "captured_minor is 999, its facts make it 1000"),
        ({"paid_at": None}, "paid_at is None"),
        ({"refunded_at": NOON}, "refunded_at is"),
        ({"facts": list(FACTS[:2])}, "refunded_minor is 300, its facts make it 0"),
        ({"unknown_facts": ["evt_9"]}, "facts of a kind nobody knows: evt_9"),
        (
            {"steps": frozenset({("teleported", None, None)})},
            "stored only (teleported, None, None); missing (authorized, None, 1000)",
        ),
    ],
)
def test_what_the_facts_do_not_say_is_found(change: dict[str, object], said: str) -> None:
    spoiled = replace(_stored(), **change)  # type: ignore[arg-type] # One of several fields, each at its own type.
    assert any(said in message for message in check_facts(spoiled))


def test_the_order_of_the_facts_does_not_matter() -> None:
    assert list(check_facts(replace(_stored(), facts=list(reversed(FACTS))))) == []


def test_a_posting_too_many_is_found_with_its_account() -> None:
    payment = _stored()
    payment.postings["fees:revenue", "USD"] -= 1
    payment.postings["fees:revenue", "EUR"] = 1
    said = list(check_ledger(payment))
    assert [message.split(" holds")[0] for message in said] == ["fees:revenue", "fees:revenue"]
    assert "holds 1 EUR, its state demands 0" in said[0]


def test_a_recipient_without_its_share_is_found() -> None:
    payment = _stored()
    del payment.entries[PARTNER]
    (said,) = check_entries(payment)
    assert said.startswith(f"entries of {PARTNER.key} add up to gross 0, fee 0, net 0, its state demands gross 70")


def test_an_entry_whose_net_is_off_is_found_although_the_sum_is_right() -> None:
    payment = replace(_stored(), unbalanced_entries=["entry_2", "entry_1"])
    assert [said.split(":")[0] for said in check_entries(payment)] == ["entry entry_1", "entry entry_2"]


@pytest.mark.parametrize(
    ("transitions", "said"),
    [
        ([], "is partially_refunded and has no transition that led there"),
        ([("completed", "partially_refunded")], "the first transition is from completed"),
        (
            [("pending", "authorized"), ("completed", "partially_refunded")],
            "leads to authorized and the next one is from",
        ),
        ([("pending", "authorized")], "its last transition led to authorized"),
    ],
)
def test_a_broken_chain_of_transitions_is_found(transitions: list[tuple[str, str]], said: str) -> None:
    assert any(said in message for message in check_transitions(replace(_stored(), transitions=transitions)))
