"""Mandates and payment links at Klarna."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.base import MandateChargeRequest, MandateRequest, PaymentLinkRequest
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import FactKind
from tests.gateways.klarna_payer import ACCOUNT, IMPATIENT, Shop, movement, shop_at, status
from tests.gateways.serving import serving


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Klarna."""
    with serving("tests.gateways.klarna", tmp_path_factory.mktemp("klarna")) as url:
        yield url


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    """A shop at the local Klarna that does not wait long."""
    async with shop_at(url, timeouts=IMPATIENT) as shop:
        yield shop


@pytest.fixture
def mandate(key: str) -> MandateRequest:
    """A customer's agreement, which nobody has authorized yet."""
    return MandateRequest(
        mandate_id=f"mandate-{key}", account=ACCOUNT, idempotency_key=key, customer_id="customer-1", currency="SEK"
    )


@pytest.fixture
def link(key: str) -> PaymentLinkRequest:
    """A link for a payment of 120 kronor."""
    return PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id=f"payment-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=12_000,
        currency="SEK",
        description="Two coffees",
    )


def charge(key: str, token: str) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id=f"payment-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=9_900,
        currency="SEK",
        mandate_reference=token,
    )


async def test_a_mandate_begins_in_the_widget_and_is_charged_by_its_token(
    shop: Shop, mandate: MandateRequest, key: str
) -> None:
    pending = await shop.klarna.setup_mandate(mandate)
    token = await shop.authorize(pending.provider_reference)
    active = await shop.klarna.setup_mandate(replace(mandate, payment_method_token=token))
    answer = await shop.klarna.charge_mandate(charge(key, active.provider_reference))

    assert (pending.status, set(pending.client_parameters)) == ("pending", {"client_token"})
    assert (active.status, active.payment_method_reference) == ("active", active.provider_reference)
    assert active.client_parameters["redirect_url"].startswith("https://credit.klarna.example/")
    assert [(fact.kind, fact.amount_minor) for fact in answer.facts] == [
        (FactKind.AUTHORIZED, 9_900),
        (FactKind.CAPTURED, 9_900),
    ]
    assert {fact.references for fact in answer.facts} == {(answer.provider_reference,)}
    assert {fact.payment_id for fact in answer.facts} == {f"payment-{key}"}
    refund = await shop.klarna.refund(movement(answer.provider_reference, f"refund-{key}", 900))
    assert (await shop.facts_of(status(answer.provider_reference)))[2].gateway_event_id == (
        refund.facts[0].gateway_event_id
    )


async def test_a_charge_without_an_answer_is_made_once(shop: Shop, mandate: MandateRequest, key: str) -> None:
    pending = await shop.klarna.setup_mandate(mandate)
    token = await shop.authorize(pending.provider_reference)
    active = await shop.klarna.setup_mandate(replace(mandate, payment_method_token=token))
    before = await shop.moved("capture")
    await shop.fail_next("silent_after")
    with pytest.raises(OutcomeUnknown):
        await shop.klarna.charge_mandate(charge(key, active.provider_reference))
    await shop.klarna.charge_mandate(charge(key, active.provider_reference))

    assert await shop.moved("capture") == before + 1


async def test_a_mandate_that_nobody_authorized_is_not_charged(shop: Shop, mandate: MandateRequest, key: str) -> None:
    pending = await shop.klarna.setup_mandate(mandate)

    with pytest.raises(GatewayRejected):
        await shop.klarna.charge_mandate(charge(key, pending.provider_reference))
    with pytest.raises(GatewayRejected, match="Invalid authorization token"):
        await shop.klarna.setup_mandate(replace(mandate, payment_method_token="another"))


async def test_a_link_is_a_page_that_is_captured_at_once(shop: Shop, link: PaymentLinkRequest, key: str) -> None:
    made = await shop.klarna.create_payment_link(link)
    await shop.pay(made.provider_reference)
    facts = await shop.facts_of(status(made.provider_reference))

    assert made.url.startswith("https://pay.playground.klarna.example/")
    assert [(fact.kind, fact.payment_id) for fact in facts] == [
        (FactKind.AUTHORIZED, f"payment-{key}"),
        (FactKind.CAPTURED, f"payment-{key}"),
    ]
    with pytest.raises(GatewayRejected, match="successfully completed"):
        await shop.klarna.cancel_payment_link(made.provider_reference)


async def test_a_cancelled_link_can_be_cancelled_again(shop: Shop, link: PaymentLinkRequest) -> None:
    made = await shop.klarna.create_payment_link(link)
    await shop.klarna.cancel_payment_link(made.provider_reference)
    await shop.klarna.cancel_payment_link(made.provider_reference)

    assert [fact.kind for fact in await shop.facts_of(status(made.provider_reference))] == [FactKind.CANCELLED]


async def test_links_that_klarna_does_not_have_are_refused(shop: Shop, link: PaymentLinkRequest) -> None:
    refused = [("reusable", replace(link, reusable=True)), ("expires_at", replace(link, expires_at=datetime.now(UTC)))]
    for field, request in refused:
        with pytest.raises(GatewayRejected) as refusal:
            await shop.klarna.create_payment_link(request)
        assert refusal.value.field == field
    with pytest.raises(GatewayRejected, match="no payment link"):
        await shop.klarna.cancel_payment_link("order-1")
