"""The operations of the Adyen connector at a local Adyen: what is sent, what is told, and how often it happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from connectors.adyen.api import key_of
from connectors.adyen.client import AdyenConnector
from connectors.base import GatewayAnswer, MovementRequest
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import Fact, FactKind
from domain.payment import Status, status_of
from tests.connectors.cases.adyen import CASES
from tests.connectors.fault_server import answers
from tests.connectors.local_adyen import SHORT, Adyen, folded, local_adyen, movement, order
from tests.connectors.operations import connected, failing
from tests.gateways.adyen import CLIENT_KEY, RETURN_URL
from tests.gateways.adyen_state import Page

Modify = Callable[[Adyen, MovementRequest], Awaitable[GatewayAnswer]]

MODIFICATIONS: dict[str, tuple[Modify, str, int]] = {
    "capture": (lambda adyen, request: adyen.connector.capture(request), "capture", 700),
    "void": (lambda adyen, request: adyen.connector.void(request), "void", 0),
    "increment": (lambda adyen, request: adyen.connector.increment_authorization(request), "adjustment", 1500),
}
"""What is done to an authorization, how the local Adyen counts it, and with which amount."""


@pytest.fixture
async def adyen() -> AsyncIterator[Adyen]:
    async with local_adyen() as made:
        yield made


async def set_up(adyen: Adyen, key: str, **changes: object) -> str:
    """A session; returns the payment's reference."""
    return (await adyen.connector.create_order(order(key, **changes))).provider_reference


async def authorized(adyen: Adyen, key: str) -> tuple[str, Fact]:
    """A payment that waits for its capture; returns its reference and what told of it."""
    reference = await set_up(adyen, f"{key}-order", manual_capture=True)
    (fact,) = adyen.pay(reference)
    return reference, fact


def session_of(adyen: Adyen) -> Page:
    (session,) = adyen.local.state.sessions.values()
    return session


async def test_a_session_is_what_the_payers_client_needs(adyen: Adyen, key: str) -> None:
    answer = await adyen.connector.create_order(order(key, metadata={"cart": "7", "a-name-that-is-too-long": "x"}))

    session = session_of(adyen)
    assert answer.provider_reference == "payment-1.sale"
    assert answer.facts == ()
    assert answer.client_parameters == {
        "session_id": session.id,
        "session_data": session.data,
        "client_key": CLIENT_KEY,
    }
    assert session.request == {
        "merchantAccount": "TestMerchant",
        "amount": {"value": 1200, "currency": "USD"},
        "reference": "payment-1.sale",
        "returnUrl": RETURN_URL,
        "channel": "Web",
        "captureDelayHours": 0,
        "metadata": {"cart": "7"},
    }


async def test_a_payment_to_capture_later_is_asked_for_as_one(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, key, manual_capture=True, return_url="https://shop.example/other")

    request = session_of(adyen).request
    assert reference == "payment-1.auth"
    assert request["additionalData"] == {"manualCapture": "true", "authorisationType": "PreAuth"}
    assert request["returnUrl"] == "https://shop.example/other"
    assert "captureDelayHours" not in request


async def test_without_a_page_to_return_to_nothing_is_asked(key: str) -> None:
    async with local_adyen() as adyen:
        credentials = adyen.connector._api.credentials.model_copy(update={"return_url": None})
        connector = type(adyen.connector)(credentials)
        with pytest.raises(GatewayRejected) as refusal:
            await connector.create_order(order(key))

    assert refusal.value.field == "return_url"
    assert adyen.local.state.sessions == {}


@pytest.mark.parametrize(
    ("amount_minor", "currency", "wire"),
    [
        (1099, "EUR", 1099),
        (1099, "JPY", 1099),
        (10990, "KWD", 10990),
        (1099, "CLP", 109900),
        (5, "ISK", 500),
        (1200, "IDR", 12),
        (700, "CVE", 7),
    ],
)
async def test_amounts_are_written_and_read_as_adyen_counts(
    adyen: Adyen, key: str, amount_minor: int, currency: str, wire: int
) -> None:
    reference = await set_up(adyen, key, amount_minor=amount_minor, currency=currency)
    (fact,) = adyen.pay(reference)

    assert session_of(adyen).request["amount"] == {"value": wire, "currency": currency}
    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, amount_minor, currency)


@pytest.mark.parametrize(("amount_minor", "currency"), [(1250, "IDR"), (750, "CVE")])
async def test_an_amount_that_adyen_has_no_number_for_is_refused(
    adyen: Adyen, key: str, amount_minor: int, currency: str
) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await set_up(adyen, key, amount_minor=amount_minor, currency=currency)

    assert refusal.value.field == "amount_minor"
    assert adyen.local.state.sessions == {}


async def test_a_refused_attempt_in_a_session_leaves_it_to_be_paid(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, key)

    facts = [*adyen.pay(reference, "failed"), *adyen.pay(reference)]

    assert [(fact.kind, fact.provider_reference) for fact in facts] == [
        (FactKind.ATTEMPT_FAILED, reference),
        (FactKind.CAPTURED, reference),
    ]
    assert status_of(folded(facts)) is Status.COMPLETED


async def test_an_authorization_is_captured_in_parts_and_refunded_as_one(adyen: Adyen, key: str) -> None:
    reference, authorisation = await authorized(adyen, key)
    psp_reference = str(authorisation.movement_reference)
    facts = [authorisation]
    for number, amount_minor in enumerate((700, 500)):
        answer = await adyen.connector.capture(movement(f"{key}-{number}", reference, psp_reference, amount_minor))
        assert answer.facts == ()
        facts += adyen.settle()

    answer = await adyen.connector.refund(movement(f"{key}-refund", reference, psp_reference, 900))
    pending, told = list(answer.facts), adyen.settle()
    facts += [*pending, *told]

    assert [(fact.kind, fact.amount_minor) for fact in pending] == [(FactKind.REFUND_PENDING, 900)]
    assert pending[0].references == authorisation.references
    assert {fact.movement_reference for fact in pending} == {fact.movement_reference for fact in told}
    state = folded(facts)
    assert (state.totals.captured, state.totals.refunded, state.totals.refund_pending) == (1200, 900, 0)
    assert adyen.local.movements == {"authorization": 1, "capture": 2, "refund": 1}


async def test_a_capture_above_the_authorization_is_refused_by_callback(adyen: Adyen, key: str) -> None:
    reference, authorisation = await authorized(adyen, key)

    await adyen.connector.capture(movement(key, reference, str(authorisation.movement_reference), 1300))
    facts = [authorisation, *adyen.settle()]

    assert status_of(folded(facts)) is Status.AUTHORIZED
    assert facts[-1].reason == "Insufficient balance on payment"


async def test_a_refused_refund_ends_what_was_pending(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order")
    (sale,) = adyen.pay(reference)
    request = movement(
        key, reference, "", 1300, authorization_reference=None, capture_reference=sale.movement_reference
    )

    facts = [sale, *(await adyen.connector.refund(request)).facts, *adyen.settle()]

    assert [fact.kind for fact in facts] == [FactKind.CAPTURED, FactKind.REFUND_PENDING, FactKind.REFUND_FAILED]
    assert status_of(folded(facts)) is Status.COMPLETED


async def test_an_authorization_is_let_go(adyen: Adyen, key: str) -> None:
    reference, authorisation = await authorized(adyen, key)

    answer = await adyen.connector.void(movement(key, reference, str(authorisation.movement_reference), 1200))

    assert answer.facts == ()
    assert status_of(folded([authorisation, *adyen.settle()])) is Status.CANCELLED


async def test_a_sale_is_reversed_as_a_whole(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order")
    (sale,) = adyen.pay(reference)
    request = movement(key, reference, "", authorization_reference=None, capture_reference=sale.movement_reference)

    answer = await adyen.connector.reverse(request)

    assert answer.facts == ()
    assert status_of(folded([sale, *adyen.settle()])) is Status.REVERSED


async def test_an_authorization_is_raised_to_a_new_total(adyen: Adyen, key: str) -> None:
    reference, authorisation = await authorized(adyen, key)

    await adyen.connector.increment_authorization(movement(key, reference, str(authorisation.movement_reference), 1500))
    (raised,) = adyen.settle()

    assert (raised.kind, raised.amount_minor) == (FactKind.AUTHORIZED, 1500)
    assert raised.movement_reference == authorisation.movement_reference


async def test_a_modification_before_anything_was_told_of_the_payment_is_refused(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, key, manual_capture=True)
    unnamed = movement(key, reference, "", authorization_reference=None, capture_reference="9915341234567802")

    with pytest.raises(GatewayRejected, match="has not told yet"):
        await adyen.connector.capture(unnamed)


@pytest.mark.parametrize("psp_reference", ["../../paymentLinks", "a b", "a/b", "a?b=c", "x" * 65, "a-test-b"])
async def test_what_adyen_never_called_a_payment_does_not_get_into_an_address(
    adyen: Adyen, key: str, psp_reference: str
) -> None:
    with pytest.raises(GatewayRejected, match="no name"):
        await adyen.connector.capture(movement(key, "payment-1.auth", psp_reference))


@pytest.mark.parametrize("status", [409, 422])
async def test_a_key_that_is_in_use_leaves_the_outcome_unknown(status: int) -> None:
    body = {"status": status, "errorCode": "704", "message": "request already processed or in progress"}
    async with failing(CASES, answers(status, body)) as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(OutcomeUnknown, match="idempotency key"):
            await connector.refund(movement("command-1", "payment-1.auth", "8835341234567890"))


async def test_the_same_key_with_another_amount_is_no_refusal(adyen: Adyen, key: str) -> None:
    reference, authorisation = await authorized(adyen, key)
    psp_reference = str(authorisation.movement_reference)
    await adyen.connector.capture(movement(key, reference, psp_reference, 700))

    with pytest.raises(OutcomeUnknown):
        await adyen.connector.capture(movement(key, reference, psp_reference, 500))


@pytest.mark.parametrize("name", MODIFICATIONS)
async def test_a_modification_that_was_never_answered_is_repeated_without_a_second_effect(
    adyen: Adyen, key: str, name: str
) -> None:
    modify, counted, amount_minor = MODIFICATIONS[name]
    reference, authorisation = await authorized(adyen, key)
    request = movement(key, reference, str(authorisation.movement_reference), amount_minor)
    adyen.will("silent_after")

    with pytest.raises(OutcomeUnknown):
        await modify(adyen, request)
    await modify(adyen, request)

    adyen.settle()
    assert adyen.local.movements[counted] == 1


async def test_a_refund_that_was_never_answered_is_repeated_without_a_second_effect(adyen: Adyen, key: str) -> None:
    reference = await set_up(adyen, f"{key}-order")
    (sale,) = adyen.pay(reference)
    request = movement(key, reference, "", 500, authorization_reference=None, capture_reference=sale.movement_reference)
    adyen.will("silent_after")

    with pytest.raises(OutcomeUnknown):
        await adyen.connector.refund(request)
    first, again = await adyen.connector.refund(request), await adyen.connector.refund(request)

    assert [fact.gateway_event_id for fact in first.facts] == [fact.gateway_event_id for fact in again.facts]
    adyen.settle()
    assert adyen.local.movements["refund"] == 1


async def test_the_same_command_finds_the_same_session(adyen: Adyen, key: str) -> None:
    adyen.will("silent_after")

    with pytest.raises(OutcomeUnknown):
        await adyen.connector.create_order(order(key))
    first, again = await adyen.connector.create_order(order(key)), await adyen.connector.create_order(order(key))

    assert first == again
    assert len(adyen.local.state.sessions) == 1


@pytest.mark.parametrize("length", [1, 64, 65, 255])
async def test_a_key_of_any_length_is_one_that_adyen_takes(adyen: Adyen, length: int) -> None:
    key = "k" * length

    await adyen.connector.create_order(order(key))

    assert list(adyen.local._kept) == [key_of(key)]
    assert len(key_of(key)) <= 64
    assert (key_of(key) == key) == (length <= 64)


async def test_many_calls_at_once_share_one_connector(adyen: Adyen, key: str) -> None:
    orders = [order(f"{key}-{number}", payment_id=f"payment-{number}") for number in range(24)]

    made = await asyncio.gather(*(adyen.connector.create_order(request) for request in orders))

    assert len({answer.provider_reference for answer in made}) == len(adyen.local.state.sessions) == 24


async def test_the_key_of_the_account_is_checked(key: str) -> None:
    async with local_adyen(api_key="another-key") as adyen:
        with pytest.raises(GatewayRejected) as refusal:
            await adyen.connector.create_order(order(key))

    assert refusal.value.code == "credentials_refused"


def test_the_sdk_sends_through_a_client_that_follows_no_redirect() -> None:
    connector = CASES.connector()
    assert isinstance(connector, AdyenConnector)

    sending = connector._api.checkout.payments_api.client.http_client._client

    assert isinstance(sending, httpx.Client)
    assert not sending.follow_redirects
