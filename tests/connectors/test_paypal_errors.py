"""What PayPal's refusals mean: the payer's side says no, the request is wrong, or an earlier request came before."""

import json

import pytest

from connectors.http_client import GatewayResponse
from connectors.paypal.errors import check_answer, payload_of
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown


def refusal(status_code: int, body: object) -> GatewayError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GatewayError) as failure:
        check_answer(GatewayResponse(status_code, {}, content))
    return failure.value


def unprocessable(issue: str) -> object:
    return {"name": "UNPROCESSABLE_ENTITY", "message": "No.", "details": [{"issue": issue, "description": "Because."}]}


@pytest.mark.parametrize(
    ("issue", "expected"),
    [
        ("INSTRUMENT_DECLINED", GatewayDeclined),
        ("PAYER_CANNOT_PAY", GatewayDeclined),
        ("CARD_EXPIRED", GatewayDeclined),
        ("TRANSACTION_REFUSED", GatewayDeclined),
        ("ORDER_ALREADY_CAPTURED", GatewayRejected),
        ("ORDER_NOT_APPROVED", GatewayRejected),
        ("DECIMALS_NOT_SUPPORTED", GatewayRejected),
        ("SOMETHING_NEW", GatewayRejected),
        ("PREVIOUS_REQUEST_IN_PROGRESS", OutcomeUnknown),
        ("DUPLICATE_INVOICE_ID", OutcomeUnknown),
        ("PAYPAL_REQUEST_ID_PREVIOUSLY_USED", OutcomeUnknown),
    ],
)
def test_an_issue_is_classified_and_told(issue: str, expected: type[GatewayError]) -> None:
    failure = refusal(422, unprocessable(issue))

    assert type(failure) is expected
    assert failure.message.endswith(f": {issue}: Because.")


@pytest.mark.parametrize(
    ("status_code", "body", "expected"),
    [
        (400, {"name": "RESOURCE_CONFLICT", "message": "Under way."}, OutcomeUnknown),
        (409, unprocessable("INSTRUMENT_DECLINED"), OutcomeUnknown),
        (500, unprocessable("INSTRUMENT_DECLINED"), OutcomeUnknown),
        (429, {"name": "RATE_LIMIT_REACHED", "message": "Too many."}, GatewayUnavailable),
        (404, b"<html>", GatewayRejected),
        (422, {"details": "none"}, GatewayRejected),
    ],
)
def test_the_status_counts_first(status_code: int, body: object, expected: type[GatewayError]) -> None:
    assert type(refusal(status_code, body)) is expected


@pytest.mark.parametrize("status_code", [401, 403])
def test_a_refusal_of_the_credentials_is_not_quoted(status_code: int) -> None:
    failure = refusal(status_code, {"error": "invalid_client", "error_description": "local-paypal-secret"})

    assert (type(failure), failure.code) == (GatewayRejected, "credentials_refused")
    assert "secret" not in failure.message


def test_a_message_without_details_is_told_as_it_is() -> None:
    failure = refusal(400, {"error": "unsupported_grant_type", "error_description": "Grant type is not supported"})

    assert failure.message == "PayPal answered HTTP 400: Grant type is not supported"


def test_a_success_without_an_object_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        payload_of(check_answer(GatewayResponse(200, {}, b"[]")))
