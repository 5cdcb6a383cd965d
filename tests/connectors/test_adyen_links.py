"""Adyen's payment links: one payment each, named so that its callback is found."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone

import pytest

from connectors.base import PaymentLinkRequest
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.cases.adyen import CASES
from tests.connectors.fault_server import answers, hangs_up
from tests.connectors.local_adyen import ACCOUNT, SHORT, Adyen, local_adyen
from tests.connectors.operations import connected, failing
from tests.gateways.adyen import RETURN_URL


@pytest.fixture
async def adyen() -> AsyncIterator[Adyen]:
    async with local_adyen() as made:
        yield made


def link(key: str, **changes: object) -> PaymentLinkRequest:
    asked: dict[str, object] = {
        "payment_link_id": "payment-1",
        "payment_id": "payment-1",
        "account": ACCOUNT,
        "idempotency_key": key,
        "amount_minor": 1200,
        "currency": "USD",
        "description": "Two coffees",
        **changes,
    }
    return PaymentLinkRequest(**asked)  # type: ignore[arg-type]  # the fields by their names


async def test_a_link_is_paid_and_its_payment_is_found_by_our_id(adyen: Adyen, key: str) -> None:
    expires_at = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    answer = await adyen.connector.create_payment_link(link(key, expires_at=expires_at))
    (fact,) = adyen.pay(answer.provider_reference)

    made = adyen.local.state.links[answer.provider_reference]
    assert answer.url == f"https://test.adyen.link/{made.id}"
    assert made.request == {
        "merchantAccount": "TestMerchant",
        "amount": {"value": 1200, "currency": "USD"},
        "reference": "payment-1.sale",
        "description": "Two coffees",
        "reusable": False,
        "captureDelayHours": 0,
        "expiresAt": "2026-03-01T10:00:00+00:00",
        "returnUrl": RETURN_URL,
    }
    assert (fact.kind, fact.payment_id, fact.amount_minor) == (FactKind.CAPTURED, "payment-1", 1200)


async def test_the_same_command_finds_the_same_link(adyen: Adyen, key: str) -> None:
    adyen.will("silent_after")

    with pytest.raises(OutcomeUnknown):
        await adyen.connector.create_payment_link(link(key))
    first = await adyen.connector.create_payment_link(link(key))

    assert first == await adyen.connector.create_payment_link(link(key))
    assert len(adyen.local.state.links) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reusable": True}, "reusable"),
        ({"payment_id": "x" * 200}, "payment_id"),
        ({"payment_id": "shop:1"}, "payment_id"),
        ({"amount_minor": 1250, "currency": "IDR"}, "amount_minor"),
    ],
)
async def test_a_link_whose_payment_could_not_be_told_is_not_made(
    adyen: Adyen, key: str, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await adyen.connector.create_payment_link(link(key, **changes))

    assert refusal.value.field == field
    assert adyen.local.state.links == {}


async def test_a_link_is_closed_and_closing_it_again_does_nothing(adyen: Adyen, key: str) -> None:
    answer = await adyen.connector.create_payment_link(link(key))

    await adyen.connector.cancel_payment_link(answer.provider_reference)
    await adyen.connector.cancel_payment_link(answer.provider_reference)

    assert adyen.local.state.links[answer.provider_reference].status == "expired"


async def test_a_link_that_was_paid_is_not_closed(adyen: Adyen, key: str) -> None:
    answer = await adyen.connector.create_payment_link(link(key))
    adyen.pay(answer.provider_reference)

    with pytest.raises(GatewayRejected, match="The payment link is completed"):
        await adyen.connector.cancel_payment_link(answer.provider_reference)


@pytest.mark.parametrize("reference", ["PL0000000000000000", "../payments", "cs_1"])
async def test_a_link_that_is_not_there_is_not_closed(adyen: Adyen, reference: str) -> None:
    with pytest.raises(GatewayRejected):
        await adyen.connector.cancel_payment_link(reference)


@pytest.mark.parametrize(
    "body", [{"id": "PL1"}, {"url": "https://test.adyen.link/PL1"}, {"id": "PL1", "url": "javascript:alert(1)"}]
)
async def test_an_answer_without_an_address_or_a_name_is_unknown(body: dict[str, str]) -> None:
    async with failing(CASES, answers(201, body)) as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(OutcomeUnknown):
            await connector.create_payment_link(link("command-1"))


async def test_closing_without_an_answer_is_unknown_and_sent_once() -> None:
    async with failing(CASES, hangs_up) as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(OutcomeUnknown):
            await connector.cancel_payment_link("PL1")

    assert len(server.requests) == 1
