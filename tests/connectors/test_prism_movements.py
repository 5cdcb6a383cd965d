"""Captures, voids, reversals, refunds, raises and reading back behind Prism."""

import pytest

from connectors.base import GatewayAnswer, RedirectRequest
from connectors.prism.sdk import Flow
from domain.errors import GatewayDeclined, GatewayRejected, OutcomeUnknown, VerificationFailed
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.fake_prism import Answer, ScriptedPrism
from tests.connectors.local_prism import (
    AUTOMATIC,
    MANUAL,
    connector,
    movement,
    said,
    scripted,
    status,
)

USD_1200 = {"minorAmount": "1200", "currency": "USD"}
AUTHORIZED = {"connectorTransactionId": "txn_1", "status": "AUTHORIZED"}


async def test_a_part_is_captured() -> None:
    sdk = scripted(Flow.CAPTURE, {"connectorTransactionId": "another name", "status": "CHARGED"})

    answer = await connector(sdk).capture(movement(700))

    assert said(answer) == [(FactKind.AUTHORIZED, "txn_1", 1200), (FactKind.CAPTURED, "txn_1", 700)]
    assert sdk.asked == [
        (
            Flow.CAPTURE,
            {
                "merchantCaptureId": "command-3",
                "merchantOrderId": "payment-1",
                "merchantRequestId": "command-3",
                "connectorTransactionId": "txn_1",
                "amountToCapture": {"minorAmount": "700", "currency": "USD"},
                "captureMethod": "MANUAL",
            },
        )
    ]


async def test_what_the_processor_says_was_captured_counts() -> None:
    sdk = scripted(Flow.CAPTURE, {"status": "CHARGED", "capturedAmount": "650"})

    answer = await connector(sdk).capture(movement(700))

    assert said(answer)[1] == (FactKind.CAPTURED, "txn_1", 650)


async def test_an_authorization_is_let_go() -> None:
    sdk = scripted(Flow.VOID, {"status": "VOIDED"})

    answer = await connector(sdk).void(movement())

    assert said(answer) == [(FactKind.CANCELLED, "txn_1", None)]
    assert sdk.asked[0][1]["cancellationReason"] == "Not wanted"


@pytest.mark.parametrize("told", ["VOIDED", "VOIDED_POST_CAPTURE"])
async def test_a_capture_is_taken_back(told: str) -> None:
    answer = await connector(scripted(Flow.REVERSE, {"status": told})).reverse(movement())

    assert said(answer) == [(FactKind.REVERSED, "txn_1", None)]


@pytest.mark.parametrize(
    ("operation", "flow", "told"),
    [
        ("capture", Flow.CAPTURE, "CAPTURE_FAILED"),
        ("capture", Flow.CAPTURE, "FAILURE"),
        ("void", Flow.VOID, "VOID_FAILED"),
        ("reverse", Flow.REVERSE, "VOID_FAILED"),
        ("increment_authorization", Flow.INCREMENT_AUTHORIZATION, "AUTHORIZATION_FAILURE"),
    ],
)
async def test_a_follow_up_that_failed_is_declined(operation: str, flow: Flow, told: str) -> None:
    error = {"connectorDetails": {"code": "too_late", "message": "It is settled."}}
    sdk = scripted(flow, {"status": told, "error": error})

    with pytest.raises(GatewayDeclined, match="too_late: It is settled"):
        await getattr(connector(sdk), operation)(movement())


@pytest.mark.parametrize("operation", ["capture", "void", "reverse", "refund", "increment_authorization"])
async def test_what_has_not_begun_cannot_be_followed_up(operation: str) -> None:
    sdk = ScriptedPrism()
    with pytest.raises(GatewayRejected) as refusal:
        await getattr(connector(sdk), operation)(movement(transaction=None))

    assert refusal.value.field == "authorization_reference"
    assert sdk.asked == []


async def test_a_refund_is_named_by_the_processor_and_its_amount() -> None:
    sdk = scripted(Flow.REFUND, {"connectorRefundId": "re_1", "status": "REFUND_PENDING"})

    answer = await connector(sdk).refund(movement(500, f"{MANUAL}:ord_1"))

    assert said(answer) == [(FactKind.REFUND_PENDING, "500@re_1", 500)]
    request = sdk.asked[0][1]
    assert (request["paymentAmount"], request["refundAmount"]["minorAmount"]) == ("1200", "500")
    assert (request["merchantRefundId"], request["connectorOrderId"]) == ("command-3", "ord_1")


async def test_an_authorization_is_raised_to_the_new_total() -> None:
    sdk = scripted(Flow.INCREMENT_AUTHORIZATION, {"connectorAuthorizationId": "a", "status": "AUTHORIZATION_SUCCESS"})

    answer = await connector(sdk).increment_authorization(movement(1500))

    assert said(answer) == [(FactKind.AUTHORIZED, "txn_1", 1500)]


async def test_a_raise_that_is_under_way_is_no_authorization_yet() -> None:
    sdk = scripted(Flow.INCREMENT_AUTHORIZATION, {"status": "AUTHORIZATION_PROCESSING"})

    assert said(await connector(sdk).increment_authorization(movement(1500))) == [(FactKind.PROCESSING, "txn_1", None)]


async def test_a_payment_that_has_not_begun_is_asked_of_nobody() -> None:
    sdk = ScriptedPrism()

    answer = await connector(sdk).fetch_status(status(transaction=None))

    assert answer == GatewayAnswer(provider_reference=MANUAL, amount_minor=1200, currency="USD")
    assert sdk.asked == []


async def test_a_payment_and_its_open_refunds_are_read_back() -> None:
    refunds: list[Answer] = [
        {"connectorRefundId": "re_1", "status": "REFUND_SUCCESS"},
        {"connectorRefundId": "re_2", "status": "REFUND_SUCCESS"},
    ]
    captured = {"connectorTransactionId": "txn_1", "status": "CHARGED", "capturedAmount": "1200"}
    sdk = ScriptedPrism({Flow.GET: captured, Flow.GET_REFUND: refunds})

    answer = await connector(sdk).fetch_status(status("500@re_1", "re_2"))

    assert said(answer) == [
        (FactKind.AUTHORIZED, "txn_1", 1200),
        (FactKind.CAPTURED, "txn_1", 1200),
        (FactKind.REFUNDED, "500@re_1", 500),
    ]
    assert [request for _, request in sdk.asked] == [
        {"connectorTransactionId": "txn_1", "amount": USD_1200, "captureMethod": "MANUAL"},
        {
            "refundId": "re_1",
            "connectorRefundId": "re_1",
            "connectorTransactionId": "txn_1",
            "refundAmount": {"minorAmount": "500", "currency": "USD"},
        },
        {"refundId": "re_2", "connectorRefundId": "re_2", "connectorTransactionId": "txn_1"},
    ]


async def test_how_much_was_captured_later_is_not_guessed() -> None:
    charged = {"connectorTransactionId": "txn_1", "status": "CHARGED"}

    with pytest.raises(OutcomeUnknown):
        await connector(scripted(Flow.GET, charged)).fetch_status(status())
    at_once = await connector(scripted(Flow.GET, charged)).fetch_status(status(reference=AUTOMATIC))

    assert said(at_once)[1] == (FactKind.CAPTURED, "txn_1", 1200)


async def test_what_only_the_processor_has_named_is_read_by_that_name() -> None:
    sdk = scripted(Flow.GET, {"connectorTransactionId": "txn_9", "status": "VOIDED"})

    answer = await connector(sdk).fetch_status(status(reference="txn_9", transaction=None))

    assert said(answer) == [(FactKind.CANCELLED, "txn_9", None)]
    assert sdk.asked == [(Flow.GET, {"connectorTransactionId": "txn_9"})]


async def test_what_the_browser_brings_is_handed_on_and_not_believed() -> None:
    sdk = scripted(Flow.GET, AUTHORIZED)
    request = RedirectRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=MANUAL,
        parameters={"status": "paid", "payment_intent": "txn_of_another"},
        authorization_reference="txn_1",
    )

    answer = await connector(sdk).verify_redirect(request)

    assert said(answer) == [(FactKind.AUTHORIZED, "txn_1", 1200)]
    assert sdk.asked[0][1]["connectorTransactionId"] == "txn_1"
    assert sdk.asked[0][1]["encodedData"] == "payment_intent=txn_of_another&status=paid"


async def test_another_payments_name_is_not_read_for_this_one() -> None:
    request = RedirectRequest(payment_id="payment-2", account=ACCOUNT, provider_reference=MANUAL, parameters={})
    with pytest.raises(VerificationFailed) as refusal:
        await connector(ScriptedPrism()).verify_redirect(request)

    assert refusal.value.code == "reference_mismatch"
