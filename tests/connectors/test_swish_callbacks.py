"""What proves a callback of Swish's, and how requests are named."""

import json
import re

import pytest

from connectors.swish.names import callback_identifier, instruction_of, payment_id_in, reference_of
from domain.errors import MalformedPayload, VerificationFailed
from tests.connectors.case import Delivery
from tests.connectors.cases.swish import BANK, CASES, PAYMENT, REFUND

IDENTIFIER = "callbackidentifier"


def test_the_identifier_is_made_from_the_secret_and_the_instruction() -> None:
    identifier = callback_identifier("callback-secret", PAYMENT)

    assert identifier == "f83796c4701836bfab3bdc2077e2e69c396c"
    assert re.fullmatch("[0-9A-Za-z-]{32,36}", identifier)


def test_an_instruction_is_named_after_its_command() -> None:
    assert instruction_of("command-1") == "20F3DDBE7D075F7C9EF79B83955A9F6A"
    assert re.fullmatch("[0-9A-F]{32}", instruction_of("a command of any name: åäö"))
    assert instruction_of("command-1") != instruction_of("command-2")


@pytest.mark.parametrize("payment_id", ["payment-1", "p", "A" * 34])
def test_a_short_payment_id_is_its_reference(payment_id: str) -> None:
    assert reference_of(payment_id) == payment_id
    assert payment_id_in(payment_id) == payment_id


@pytest.mark.parametrize("payment_id", ["payment_1", "e21a3c1c-0f6e-4f0e-9f0e-2c9b6a2f0d11", "å", "x" * 200])
def test_another_payment_id_is_known_by_a_digest_to_those_who_know_it(payment_id: str) -> None:
    reference = reference_of(payment_id)

    assert re.fullmatch("[0-9a-f]{35}", reference)
    assert payment_id_in(reference) is None
    assert payment_id_in(reference, payment_id) == payment_id
    assert payment_id_in(reference, "another") is None


def test_an_identifier_proves_no_other_request() -> None:
    genuine = CASES.genuine()
    for other in (REFUND, BANK, PAYMENT.lower(), ""):
        body = json.dumps({**json.loads(genuine.body), "id": other}).encode()
        with pytest.raises((VerificationFailed, MalformedPayload)):
            CASES.facts_of(Delivery(body=body, headers=genuine.headers))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        json.dumps({"id": PAYMENT}).encode(),
        json.dumps({"id": PAYMENT, "status": "PAID", "amount": "1.00", "currency": "SEK"}).encode(),
        json.dumps({"id": PAYMENT, "status": "PAID", "paymentReference": BANK, "amount": "1.00"}).encode(),
        json.dumps({"id": REFUND, "status": "PAID", "originalPaymentReference": None}).encode(),
        b'{"id": "%s", "status": "PAID", "paymentReference": "B", "amount": 1e999999999, "currency": "SEK"}'
        % PAYMENT.encode(),
    ],
)
def test_a_proven_callback_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        CASES.facts_of(CASES.delivery(body))
