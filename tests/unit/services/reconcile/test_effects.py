"""When a command's effect can be seen, and when seeing something is not enough."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.facts import FactKind
from domain.payment import PaymentState, PaymentTerms, Split, Step, status_of
from services.reconcile.effects import Evidence, is_visible
from storage.commands import OpenCommand, RefundCommand
from storage.payments import PaymentRecord
from storage.reconciliation import RecordedStep

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
AUTHORIZED = Step(FactKind.AUTHORIZED, None, 1000)


def command(kind: str, amount_minor: int | None = None) -> OpenCommand:
    return OpenCommand(
        id="c1",
        account="demo",
        subject_id="p1",
        kind=kind,
        content={"payment_id": "p1"},
        state="unknown",
        amount_minor=amount_minor,
        started_at=NOON,
        attempts=1,
    )


def evidence(
    *steps: tuple[Step, datetime], refunds: tuple[RefundCommand, ...] = (), reference: str | None = "pi_1"
) -> Evidence:
    state = PaymentState(steps=frozenset(step for step, _ in steps))
    terms = PaymentTerms(
        payment_id="p1",
        account="demo",
        gateway="stripe",
        amount_minor=1000,
        currency="USD",
        splits=(Split("tenant", "demo", 1000),),
    )
    payment = PaymentRecord(
        terms=terms,
        state=state,
        status=status_of(state),
        resource_type="order",
        resource_id="o1",
        created_at=BEFORE,
        provider_reference=reference,
    )
    return Evidence(
        payment=payment, recorded=[RecordedStep(step, recorded_at) for step, recorded_at in steps], refunds=refunds
    )


def captured(amount_minor: int, reference: str = "ch_1") -> Step:
    return Step(FactKind.CAPTURED, reference, amount_minor)


def refunded(amount_minor: int, reference: str = "re_1", kind: FactKind = FactKind.REFUNDED) -> Step:
    return Step(kind, reference, amount_minor)


def asked(
    command_id: str, amount_minor: int, outcome: str | None = None, finished_at: datetime | None = None
) -> RefundCommand:
    return RefundCommand(
        id=command_id,
        state="unknown" if outcome is None else "finished",
        outcome=outcome,
        amount_minor=amount_minor,
        finished_at=finished_at,
    )


@pytest.mark.parametrize(
    ("steps", "visible"),
    [
        ((), False),
        (((captured(600), AFTER),), True),
        (((captured(600), BEFORE),), False),
        (((captured(500), AFTER),), False),
        (((captured(300), BEFORE), (captured(900), AFTER)), True),
        (((captured(300), BEFORE), (captured(600, "ch_2"), AFTER)), True),
        (((captured(300), BEFORE), (captured(600), AFTER)), False),
    ],
)
def test_a_capture_is_seen_when_exactly_its_amount_was_added(
    steps: tuple[tuple[Step, datetime], ...], visible: bool
) -> None:
    assert is_visible(command("capture", 600), evidence((AUTHORIZED, BEFORE), *steps)) is visible


@pytest.mark.parametrize(
    ("kind", "amount_minor", "step", "visible"),
    [
        ("void", 1000, Step(FactKind.CANCELLED, None, None), True),
        ("cancel", None, Step(FactKind.CANCELLED, None, None), True),
        ("void", 1000, captured(1000), False),
        ("reverse", 1000, Step(FactKind.REVERSED, None, None), True),
        ("reverse", 1000, refunded(1000), False),
        ("increment_authorization", 1500, Step(FactKind.AUTHORIZED, None, 1500), True),
        ("increment_authorization", 1500, Step(FactKind.AUTHORIZED, None, 1200), False),
        ("authorize", None, Step(FactKind.AUTHORIZED, None, 1000), True),
        ("authorize", None, Step(FactKind.PROCESSING, None, None), False),
        ("charge_mandate", None, captured(1000), True),
        ("charge_mandate", None, Step(FactKind.PROCESSING, None, None), False),
        ("setup_mandate", None, captured(1000), False),
        ("create_payment_link", None, captured(1000), False),
    ],
)
def test_other_effects_are_seen_in_the_payments_state(
    kind: str, amount_minor: int | None, step: Step, visible: bool
) -> None:
    assert is_visible(command(kind, amount_minor), evidence((step, AFTER))) is visible


@pytest.mark.parametrize("reference", [None, "pi_1"])
def test_a_payment_is_set_up_once_it_has_a_name(reference: str | None) -> None:
    assert is_visible(command("create_payment"), evidence(reference=reference)) is (reference is not None)


PAID = (captured(1000), BEFORE)
THIS = asked("c1", 300)


@pytest.mark.parametrize(
    ("steps", "others", "visible"),
    [
        ([(refunded(300), AFTER)], [], True),
        ([(refunded(300, kind=FactKind.REFUND_PENDING), AFTER)], [], True),
        ([], [], False),
        ([(refunded(200), AFTER)], [], False),
        ([(refunded(300), BEFORE)], [], False),
        # It was pending before the command, and became more than that after it: nothing new.
        ([(refunded(300, kind=FactKind.REFUND_PENDING), BEFORE), (refunded(300), AFTER)], [], False),
        ([(refunded(300), AFTER), (refunded(300, kind=FactKind.REFUND_FAILED), AFTER)], [], False),
        # Another command of the same amount that is open may have made it.
        ([(refunded(300), AFTER)], [asked("c2", 300)], False),
        ([(refunded(300), AFTER), (refunded(300, "re_2"), AFTER)], [asked("c2", 300)], True),
        ([(refunded(300), AFTER)], [asked("c2", 200)], True),
        # Another command of the same amount that succeeded meanwhile did make it.
        ([(refunded(300), AFTER)], [asked("c2", 300, "succeeded", AFTER)], False),
        ([(refunded(300), AFTER)], [asked("c2", 300, "succeeded", BEFORE)], True),
        ([(refunded(300), AFTER)], [asked("c2", 300, "failed", AFTER)], True),
        ([(refunded(300), AFTER), (refunded(300, "re_2"), AFTER)], [asked("c2", 300, "succeeded", AFTER)], True),
    ],
)
def test_a_refund_is_seen_when_one_of_its_amount_is_nobody_elses(
    steps: list[tuple[Step, datetime]], others: list[RefundCommand], visible: bool
) -> None:
    known = evidence(PAID, *steps, refunds=(THIS, *others))
    assert is_visible(command("refund", 300), known) is visible
