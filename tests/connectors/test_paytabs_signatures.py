"""PayTabs' signatures: the published vectors, and what a payer's browser may bring."""

import hashlib
import hmac

import pytest

from connectors.base import Callback, RedirectRequest
from connectors.paytabs.redirects import canonical_string, check_redirect
from connectors.paytabs.webhooks import verify_signature
from domain.errors import VerificationFailed
from tests.connectors.case import ACCOUNT, SIGNED_AT

IPN_KEY = "SJJN2K6LRT-TESTKEY0001-AAAABBBBCC"
IPN_BODY = b'{"tran_ref":"TST2301","cart_id":"cart_1","payment_result":{"response_status":"A"}}'
IPN_SIGNATURE = "affe6e3c20227000b9a6b100343f6baf60af641a4534182bbd460ab9f79f5fb5"

RETURN_KEY = "SGJNZ96JLG-JDMKHGRWT9-RWRK2KJNRJ"
RETURN_SIGNATURE = "7a181a32c768621eb6966107752ee70205a01f1c4403a3d13c0ff604f591f988"
RETURNED = {
    "acquirerMessage": "",
    "acquirerRRN": "",
    "tranRef": "TST2215201242166",
    "cartId": "cart_11111",
    "respStatus": "A",
    "respCode": "G84718",
    "respMessage": "Authorised",
    "customerEmail": "email@domain.com",
    "token": "",
    "signature": RETURN_SIGNATURE,
}
"""PayTabs' own published sample, with the empty fields that come with it."""


def returned(parameters: dict[str, str], reference: str = "cart_11111") -> RedirectRequest:
    return RedirectRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference, parameters=parameters)


def code_of_refusal(parameters: dict[str, str], reference: str = "cart_11111", key: str = RETURN_KEY) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        check_redirect(returned(parameters, reference), [key])
    return refusal.value.code


def test_the_vector_of_a_callback_is_proven() -> None:
    callback = Callback(account=ACCOUNT, body=IPN_BODY, headers=[("signature", IPN_SIGNATURE)], received_at=SIGNED_AT)

    assert verify_signature(callback, [IPN_KEY]).encode() == IPN_BODY
    assert verify_signature(callback, ["another", IPN_KEY]).encode() == IPN_BODY


def test_the_string_behind_the_vector_of_a_returned_form_is_written_as_published() -> None:
    published = (
        b"cartId=cart_11111&customerEmail=email%40domain.com&respCode=G84718&respMessage=Authorised&respStatus=A"
        b"&tranRef=TST2215201242166"
    )

    assert canonical_string(RETURNED) == published
    assert hmac.new(RETURN_KEY.encode(), published, hashlib.sha256).hexdigest() == RETURN_SIGNATURE


@pytest.mark.parametrize("reference", ["cart_11111", "TST2215201242166"])
def test_the_vector_of_a_returned_form_is_proven(reference: str) -> None:
    check_redirect(returned(RETURNED, reference), [RETURN_KEY])
    check_redirect(returned(RETURNED, reference), ["another", RETURN_KEY])


@pytest.mark.parametrize("name", sorted(name for name, value in RETURNED.items() if value and name != "signature"))
def test_a_returned_form_with_any_field_changed_is_refused(name: str) -> None:
    assert code_of_refusal({**RETURNED, name: RETURNED[name] + "0"}) == "signature_invalid"
    assert code_of_refusal({**RETURNED, name: ""}) == "signature_invalid"


def test_a_returned_form_with_another_field_is_refused() -> None:
    assert code_of_refusal({**RETURNED, "respStatusAgain": "A"}) == "signature_invalid"


def test_any_changed_character_of_the_signature_is_refused() -> None:
    for position, character in enumerate(RETURN_SIGNATURE):
        for other in (chr(ord(character) ^ 1), character.upper() if character.isalpha() else "é", "\ud800"):
            changed = RETURN_SIGNATURE[:position] + other + RETURN_SIGNATURE[position + 1 :]
            assert code_of_refusal({**RETURNED, "signature": changed}) == "signature_invalid"


def test_a_text_that_no_encoding_knows_is_refused() -> None:
    assert code_of_refusal({**RETURNED, "respMessage": "\ud800"}) == "signature_invalid"


@pytest.mark.parametrize("signature", [None, ""])
def test_a_returned_form_without_a_signature_proves_nothing(signature: str | None) -> None:
    unsigned = {name: value for name, value in RETURNED.items() if name != "signature"} | {"respStatus": "E"}

    parameters = unsigned if signature is None else {**unsigned, "signature": signature}

    assert code_of_refusal(parameters) == "signature_missing"


def test_a_returned_form_of_another_payment_is_refused() -> None:
    assert code_of_refusal(RETURNED, reference="cart_22222") == "reference_mismatch"


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_server_key_proves_nothing(key: str) -> None:
    by_nothing = hmac.new(key.encode(), canonical_string(RETURNED), hashlib.sha256).hexdigest()

    assert code_of_refusal({**RETURNED, "signature": by_nothing}, key=key) == "secret_missing"
