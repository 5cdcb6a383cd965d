"""Square's signatures: its published scheme, the SDK's own check, and the address that is a part of them."""

from dataclasses import replace

import pytest
from square.utils.webhooks_helper import verify_signature as sdk_verifies

from connectors.base import Callback
from connectors.outcomes import Timeouts
from connectors.square.webhooks import SIGNATURE_HEADER, verify_signature
from domain.errors import MalformedPayload, VerificationFailed
from tests.connectors.case import ACCOUNT, SIGNED_AT
from tests.connectors.cases.square import CALLBACK_URL, CASES, sign

KEY = "sq_sig_key_test"
URL = "https://example.com/webhooks/square"
BODY = b'{"event_id":"e1","type":"payment.updated"}'
SIGNATURE = "g687DVTgMzd1h7q8Sv5sN+phKFH9VXEKZz5DLLuj2wE="


def callback(body: bytes = BODY, signature: str = SIGNATURE) -> Callback:
    return Callback(account=ACCOUNT, body=body, headers=((SIGNATURE_HEADER, signature),), received_at=SIGNED_AT)


def test_the_known_signature_holds() -> None:
    assert verify_signature(callback(), URL, [KEY]) == BODY.decode()


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}/",
        URL.replace("https", "http"),
        URL.upper(),
        f"{URL}?",
        URL.replace("example.com", "example.com:443"),
        "https://example.com/webhooks/squar",
        "",
    ],
)
def test_another_address_refuses_the_known_signature(url: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        verify_signature(callback(), url, [KEY])

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("form", ["=", SIGNATURE.rstrip("="), SIGNATURE + "=", f" {SIGNATURE}", SIGNATURE.lower()])
def test_the_signature_has_one_spelling(form: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        verify_signature(callback(signature=form), URL, [KEY])

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("body", [BODY, '{"note":"Grüße, 二杯"}'.encode(), b'{ "spaces" :  1 }\r\n'])
def test_the_sdk_signs_alike(body: bytes) -> None:
    signature = sign(body, KEY, URL)

    assert sdk_verifies(request_body=body.decode(), signature_header=signature, signature_key=KEY, notification_url=URL)
    assert verify_signature(callback(body, signature), URL, [KEY]) == body.decode()


def test_bytes_are_signed_whatever_they_are() -> None:
    body = b'{"event_id":"\xff"}'

    with pytest.raises(MalformedPayload):
        verify_signature(callback(body, sign(body, KEY, URL)), URL, [KEY])


def test_the_address_is_the_configured_one_and_not_the_one_posted_to() -> None:
    delivery = replace(CASES.genuine(), target="/another/way/behind/a/proxy")
    other_address = CASES.registration.credentials.model_validate(
        {**CASES.credentials, "callback_url": f"{CALLBACK_URL}&more=1"}
    )

    assert CASES.facts_of(delivery)
    with pytest.raises(VerificationFailed):
        CASES.connect(other_address, Timeouts()).parse_callback(CASES.callback(delivery))
