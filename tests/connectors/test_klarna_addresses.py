"""The addresses that Klarna is told for its callbacks: what their tokens prove, and what they do not."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.klarna.tokens import Address, address_of_page, address_of_session, url_token, verify_address
from domain.errors import MalformedPayload, VerificationFailed
from tests.connectors.case import SIGNED_AT, Delivery
from tests.connectors.cases.klarna import CASES, ORDER, PAGE, SESSION, deliver

SECRET = "url-secret"
CALLBACK_URL = "https://pay.example/webhooks/klarna/acme"
OF_PAYMENT = "dfc87588d33a4831d87f3847d831437573d07a66985cadd80cd7bca22af8d64e"
OF_PAGE = "c2317217f0ed368ab7ca158480c93e7e90461233fc926907d5dc9646d0c7b5b1"
OF_ACCOUNT = "00f3d66b677b3d2869641c6d62a37dc99c94cab486d71dc8a86ed2d42bfbe044"


def target_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def test_tokens_are_made_from_the_secret_and_the_names() -> None:
    assert url_token(SECRET, "payment-1") == OF_PAYMENT
    assert url_token(SECRET, "payment-1", "session-1") == OF_PAGE
    assert url_token(SECRET) == OF_ACCOUNT


def test_an_address_proves_the_payment_that_it_was_made_for() -> None:
    session = address_of_session(CALLBACK_URL, SECRET, "payment-1").replace("{order.id}", "order-1")
    page = address_of_page(CALLBACK_URL, SECRET, "payment-1", "session-1")

    assert session == f"{CALLBACK_URL}?payment=payment-1&token={OF_PAYMENT}&order_id=order-1"
    assert verify_address(target_of(session), [SECRET]) == Address("payment-1", None, "order-1")
    assert verify_address(target_of(page), [SECRET]) == Address("payment-1", "session-1", None)
    assert verify_address(f"/webhooks?token={OF_ACCOUNT}", [SECRET]) == Address(None, None, None)


def test_a_payment_of_any_name_comes_back_from_its_address() -> None:
    payment_id = "payment/1?a=b&token=#+%20~"
    address = address_of_page(CALLBACK_URL, SECRET, payment_id, "session&1")

    assert verify_address(target_of(address), [SECRET]) == Address(payment_id, "session&1", None)
    assert parse_qs(urlsplit(address).query)["payment"] == [payment_id]


@pytest.mark.parametrize(
    "query",
    [
        f"payment=payment-2&token={OF_PAYMENT}",
        f"payment=payment-1&session=session-1&token={OF_PAYMENT}",
        f"payment=payment-1&session=session-2&token={OF_PAGE}",
        f"payment=payment-1&token={OF_PAGE}",
        f"payment=payment-1&token={OF_ACCOUNT}",
        f"session=payment-1&token={OF_PAYMENT}",
        f"payment=payment-1&payment=session-1&token={OF_PAGE}",
        f"payment=payment-1%20session-1&token={OF_PAGE}",
        f"token={OF_PAYMENT}",
    ],
)
def test_a_token_proves_nothing_else(query: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        verify_address(f"/webhooks/klarna/acme?{query}", [SECRET])

    assert refusal.value.code == "signature_invalid"


def body_of(page_id: str, order_id: str = ORDER) -> bytes:
    return (
        f'{{"event_id":"e","session":{{"session_id":"{page_id}","order_id":"{order_id}","status":"COMPLETED"}}}}'
    ).encode()


def test_a_page_is_named_together_with_the_session_that_the_token_covers() -> None:
    (fact,) = CASES.facts_of(CASES.delivery(body_of("another-page")))

    assert fact.references == (f"another-page~{SESSION}", ORDER)


def test_a_page_at_an_address_without_a_session_goes_by_its_own_name() -> None:
    address = deliver(b"", CASES.secret, SIGNED_AT).target

    (fact,) = CASES.facts_of(Delivery(body=body_of(PAGE), target=address))

    assert fact.references == (PAGE, ORDER)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b'{"session":{"session_id":"p","status":"COMPLETED"}}',
        b'{"event_id":"e","session":{"status":"COMPLETED"}}',
        b'{"event_id":"e","session":{"session_id":"p"}}',
        b'{"event_id":"e","session":[]}',
        b'{"event_id":"e","session":{"session_id":"p","status":"COMPLETED","updated_at":"yesterday"}}',
        b'{"event_type":"FRAUD_RISK_ACCEPTED"}',
        b'{"metadata":{"event_type":"x"},"payload":{}}',
        b'{"metadata":{"event_type":"x","event_id":"e"}}',
        b'{"metadata":"x"}',
    ],
)
def test_a_callback_without_what_its_kind_needs_is_malformed(body: bytes) -> None:
    target = target_of(address_of_page(CALLBACK_URL, CASES.secret, "payment-1", SESSION))

    with pytest.raises(MalformedPayload):
        CASES.facts_of(Delivery(body=body, target=target))


@pytest.mark.parametrize("target", ["", "/webhooks/klarna/acme", "/webhooks/klarna/acme?", "?token"])
def test_an_address_without_a_token_is_refused(target: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        verify_address(target, [SECRET])

    assert refusal.value.code == "signature_missing"


@pytest.mark.parametrize("make", [lambda: verify_address("?token=x", []), lambda: verify_address("?token=x", [" "])])
def test_without_a_secret_nothing_is_proven(make: Callable[[], Address]) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        make()

    assert refusal.value.code == "secret_missing"
