"""What Prism's statuses mean, for every name that its enumerations have."""

from datetime import UTC, datetime

import pytest

from connectors.payloads import Payload
from connectors.prism.status import Subject, facts_of_payment, facts_of_refund, map_status
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind, Trust
from tests.connectors.fake_prism import wheel

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
SUBJECT = Subject(
    account="acme",
    name="planned:manual:USD:1200:payment-1",
    payment_id="payment-1",
    read_at=NOW,
    currency="USD",
    authorized_minor=1200,
    captured_minor=1200,
)
MANUAL = Subject(
    account="acme", name="planned", payment_id="payment-1", read_at=NOW, currency="USD", authorized_minor=1200
)
WAITING = {
    "PAYMENT_STATUS_UNSPECIFIED",
    "STARTED",
    "PAYMENT_METHOD_AWAITED",
    "DEVICE_DATA_COLLECTION_PENDING",
    "CONFIRMATION_AWAITED",
    "COD_INITIATED",
}
EVENTS_ABOUT_NO_MONEY_OF_OURS = ("MANDATE_", "PAYOUT_", "RECOVERY_", "FRM_", "SOURCE_", "EXTERNAL_", "ENDPOINT_")


def payment(status: str, **more: object) -> Payload:
    return {"connectorTransactionId": "txn_1", "status": status, **more}


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, str | None, int | None]]:
    return [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in facts]


@pytest.mark.parametrize(
    ("enumeration", "name", "left_out"),
    [
        ("payment", "PaymentStatus", WAITING),
        ("refund", "RefundStatus", {"REFUND_STATUS_UNSPECIFIED"}),
        ("increment", "AuthorizationStatus", {"AUTHORIZATION_STATUS_UNSPECIFIED"}),
    ],
)
def test_every_status_has_a_meaning_or_waits(enumeration: str, name: str, left_out: set[str]) -> None:
    statuses = set(wheel()["enumerations"][name])

    assert {status for status in statuses if map_status(enumeration, status) is None} == left_out


def test_every_event_about_a_payment_has_a_meaning() -> None:
    events = set(wheel()["enumerations"]["WebhookEventType"])

    unmapped = {event for event in events if map_status("event", event) is None}

    assert {event for event in unmapped if not event.startswith(EVENTS_ABOUT_NO_MONEY_OF_OURS)} == {
        "WEBHOOK_EVENT_TYPE_UNSPECIFIED",
        "PAYMENT_ASSOCIATED_DATA_UPDATE",
    }


def test_the_enumerations_are_not_mixed_up() -> None:
    assert map_status("payment", "PENDING") is FactKind.PROCESSING
    assert map_status("refund", "PENDING") is None
    assert map_status("payment", "REFUND_SUCCESS") is None
    assert map_status("increment", "AUTHORIZED") is None


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        (payment("AUTHENTICATION_PENDING"), [(FactKind.REQUIRES_ACTION, "txn_1", None)]),
        (payment("PENDING"), [(FactKind.PROCESSING, "txn_1", None)]),
        (payment("AUTHORIZED"), [(FactKind.AUTHORIZED, "txn_1", 1200)]),
        (payment("AUTHORIZED", authorizedAmount="1100"), [(FactKind.AUTHORIZED, "txn_1", 1100)]),
        (
            payment("PARTIALLY_AUTHORIZED", authorizedMoney={"minorAmount": "700", "currency": "USD"}),
            [(FactKind.AUTHORIZED, "txn_1", 700)],
        ),
        (payment("CAPTURE_FAILED"), [(FactKind.AUTHORIZED, "txn_1", 1200)]),
        (payment("VOID_FAILED"), [(FactKind.AUTHORIZED, "txn_1", 1200)]),
        (payment("CHARGED"), [(FactKind.AUTHORIZED, "txn_1", 1200), (FactKind.CAPTURED, "txn_1", 1200)]),
        (
            payment("CHARGED", capturedAmount="0"),
            [(FactKind.AUTHORIZED, "txn_1", 1200), (FactKind.CAPTURED, "txn_1", 1200)],
        ),
        (
            payment("PARTIAL_CHARGED", capturedAmount="700"),
            [(FactKind.AUTHORIZED, "txn_1", 1200), (FactKind.CAPTURED, "txn_1", 700)],
        ),
        (
            payment("PARTIAL_CHARGED_AND_CHARGEABLE", capturedAmount=700),
            [(FactKind.AUTHORIZED, "txn_1", 1200), (FactKind.CAPTURED, "txn_1", 700)],
        ),
        (
            payment("AUTO_REFUNDED"),
            [
                (FactKind.AUTHORIZED, "txn_1", 1200),
                (FactKind.CAPTURED, "txn_1", 1200),
                (FactKind.REFUNDED, "1200@txn_1", 1200),
            ],
        ),
        (payment("VOIDED"), [(FactKind.CANCELLED, "txn_1", None)]),
        (payment("EXPIRED"), [(FactKind.CANCELLED, "txn_1", None)]),
        (payment("VOIDED_POST_CAPTURE"), [(FactKind.REVERSED, "txn_1", None)]),
        (payment("FAILURE"), [(FactKind.FAILED, "txn_1", None)]),
        ({"status": "AUTHORIZATION_FAILED"}, [(FactKind.FAILED, None, None)]),
        (payment("STARTED"), []),
        (payment("A_STATUS_OF_TOMORROW"), []),
    ],
)
def test_an_answer_says_what_its_status_means(
    answer: Payload, facts: list[tuple[FactKind, str | None, int | None]]
) -> None:
    assert said(facts_of_payment(answer, SUBJECT)) == facts


def test_a_fact_bears_every_name_of_its_payment() -> None:
    (fact,) = facts_of_payment(payment("AUTHORIZED"), SUBJECT)

    assert fact.references == (SUBJECT.name, "payment-1", "txn_1")
    assert (fact.payment_id, fact.trust, fact.occurred_at) == ("payment-1", Trust.SIGNED, NOW)
    assert (fact.amount_minor, fact.currency) == (1200, "USD")


def test_reading_the_same_twice_is_one_fact() -> None:
    later = Subject(account="acme", name="n", payment_id=None, read_at=NOW.replace(hour=9), currency="USD")
    first = facts_of_payment(payment("VOIDED"), SUBJECT)

    assert [fact.gateway_event_id for fact in facts_of_payment(payment("VOIDED"), later)] == [
        fact.gateway_event_id for fact in first
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"connectorTransactionId": "txn_1"},
        {"connectorTransactionId": "txn_1", "status": 8},
        {"status": "CHARGED"},
        payment("PARTIALLY_AUTHORIZED"),
        payment("PARTIAL_CHARGED"),
        payment("AUTHORIZED", authorizedMoney={"minorAmount": "1200", "currency": "EUR"}),
    ],
)
def test_an_answer_that_does_not_say_enough_is_malformed(answer: Payload) -> None:
    with pytest.raises(MalformedPayload):
        facts_of_payment(answer, SUBJECT)


def test_how_much_a_later_capture_took_is_never_guessed() -> None:
    with pytest.raises(MalformedPayload):
        facts_of_payment(payment("CHARGED"), MANUAL)

    assert said(facts_of_payment(payment("CHARGED", capturedAmount="700"), MANUAL)) == [
        (FactKind.AUTHORIZED, "txn_1", 1200),
        (FactKind.CAPTURED, "txn_1", 700),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"connectorDetails": {"code": "card_declined", "message": "No."}}, "card_declined: No."),
        ({"unifiedDetails": {"code": "DECLINED", "message": "No."}}, "DECLINED: No."),
        ({"connectorDetails": {"reason": "No."}}, "FAILURE: No."),
        ({"connectorDetails": {}}, "FAILURE"),
        ([], "FAILURE"),
    ],
)
def test_a_failure_says_why(error: object, reason: str) -> None:
    (fact,) = facts_of_payment(payment("FAILURE", error=error), SUBJECT)

    assert fact.reason == reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("REFUND_PENDING", FactKind.REFUND_PENDING),
        ("REFUND_MANUAL_REVIEW", FactKind.REFUND_PENDING),
        ("REFUND_SUCCESS", FactKind.REFUNDED),
        ("REFUND_FAILURE", FactKind.REFUND_FAILED),
        ("REFUND_TRANSACTION_FAILURE", FactKind.REFUND_FAILED),
    ],
)
def test_a_refund_is_named_after_its_amount_too(status: str, kind: FactKind) -> None:
    assert said(facts_of_refund({"connectorRefundId": "re_1", "status": status}, SUBJECT, 500)) == [
        (kind, "500@re_1", 500)
    ]


def test_a_refund_of_an_amount_that_nobody_knows_says_nothing() -> None:
    answer = {"connectorRefundId": "re_1", "status": "REFUND_SUCCESS"}
    told = {**answer, "refundAmount": {"minorAmount": "500", "currency": "USD"}}

    assert facts_of_refund(answer, SUBJECT, None) == ()
    assert said(facts_of_refund(told, SUBJECT, None)) == [(FactKind.REFUNDED, "500@re_1", 500)]


@pytest.mark.parametrize("answer", [{}, {"status": "REFUND_SUCCESS"}, {"connectorRefundId": "re_1"}])
def test_a_refund_that_does_not_say_enough_is_malformed(answer: Payload) -> None:
    with pytest.raises(MalformedPayload):
        facts_of_refund(answer, SUBJECT, 500)
