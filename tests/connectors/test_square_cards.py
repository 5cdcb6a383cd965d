"""Cards on file, mandates, payment links and browsers that come back, at the local Square."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import (
    MandateChargeRequest,
    MandateRequest,
    PaymentLinkRequest,
    PaymentMethodRequest,
    RedirectRequest,
    StoredPaymentMethod,
)
from domain.errors import GatewayDeclined, GatewayRejected, VerificationFailed
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.gateways.serving import serving
from tests.gateways.square_shop import PAYMENT, Shop, authorization, open_shop, told
from tests.gateways.square_state import DECLINED, GOOD

RETURN_URL = "https://shop.example/thanks"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Square."""
    with serving("tests.gateways.square", tmp_path_factory.mktemp("square")) as url:
        yield url


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    """A seller there."""
    async with open_shop(url, payment_link_return_url=RETURN_URL) as shop:
        yield shop


def stored(key: str, customer_id: str, token: str = GOOD) -> PaymentMethodRequest:
    return PaymentMethodRequest(account=ACCOUNT, idempotency_key=key, customer_id=customer_id, token=token)


def mandate(key: str, token: str | None = GOOD) -> MandateRequest:
    return MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key=f"{key}-setup",
        customer_id=f"customer-{key}",
        currency="USD",
        payment_method_token=token,
    )


def charge(key: str, mandate_reference: str) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id=PAYMENT,
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=900,
        currency="USD",
        mandate_reference=mandate_reference,
        description="November",
    )


def link(key: str) -> PaymentLinkRequest:
    return PaymentLinkRequest(
        payment_link_id=PAYMENT,
        payment_id=PAYMENT,
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1200,
        currency="USD",
        description="Two coffees",
    )


async def test_a_card_is_kept_and_shown(shop: Shop, key: str) -> None:
    kept = await shop.connector.store_payment_method(stored(key, f"customer-{key}"))

    assert kept == StoredPaymentMethod(
        provider_reference=kept.provider_reference,
        customer_reference=kept.customer_reference,
        kind="card",
        brand="visa",
        last_four="5858",
        expires="03/2030",
    )
    assert kept.provider_reference.startswith("ccof:")


@pytest.mark.parametrize("settled", [True, False])
async def test_a_customer_is_one_at_square_whether_it_is_found_already_or_not(
    shop: Shop, key: str, *, settled: bool
) -> None:
    first = await shop.connector.store_payment_method(stored(f"{key}-1", f"customer-{key}"))
    if settled:
        await shop.settle()

    second = await shop.connector.store_payment_method(stored(f"{key}-2", f"customer-{key}"))
    other = await shop.connector.store_payment_method(stored(f"{key}-3", f"Customer-{key}"))

    assert second.customer_reference == first.customer_reference != other.customer_reference
    assert second.provider_reference != first.provider_reference


async def test_a_customers_id_may_be_longer_than_square_allows(shop: Shop, key: str) -> None:
    long = f"{key}-".ljust(255, "c")

    first = await shop.connector.store_payment_method(stored(f"{key}-1", long))
    await shop.settle()
    second = await shop.connector.store_payment_method(stored(f"{key}-2", long))

    assert first.customer_reference == second.customer_reference


async def test_a_kept_card_pays(shop: Shop, key: str) -> None:
    kept = await shop.connector.store_payment_method(stored(f"{key}-card", f"customer-{key}"))
    reference = await shop.order(f"{key}-order")

    paid = await shop.connector.authorize(authorization(key, reference, kept.provider_reference))

    payment = await shop.read(f"/v2/payments/{paid.facts[0].movement_reference}")
    assert [fact.kind for fact in paid.facts] == [FactKind.CAPTURED]
    assert payment["customer_id"] == kept.customer_reference


async def test_a_card_that_nobody_keeps_is_refused(shop: Shop, key: str) -> None:
    reference = await shop.order(f"{key}-order")

    with pytest.raises(GatewayRejected):
        await shop.connector.authorize(authorization(key, reference, "ccof:../../orders/x"))


async def test_a_card_that_is_declined_is_not_kept(shop: Shop, key: str) -> None:
    with pytest.raises(GatewayDeclined):
        await shop.connector.store_payment_method(stored(key, f"customer-{key}", DECLINED))


async def test_a_mandate_with_a_token_is_charged_at_once(shop: Shop, key: str) -> None:
    made = await shop.connector.setup_mandate(mandate(key))

    charged = await shop.connector.charge_mandate(charge(key, made.provider_reference))

    assert (made.status, made.payment_method_reference) == ("active", made.provider_reference)
    assert told(charged.facts) == [(FactKind.CAPTURED, charged.facts[0].movement_reference, 900)]
    assert charged.facts[0].payment_id == PAYMENT
    assert (charged.amount_minor, charged.currency) == (900, "USD")
    assert await shop.status(charged.provider_reference) == charged


async def test_a_mandate_may_name_card_and_customer_itself(shop: Shop, key: str) -> None:
    made = await shop.connector.setup_mandate(mandate(key))
    request = replace(
        charge(key, "known-by-another-name"),
        customer_reference=made.customer_reference,
        payment_method_reference=made.payment_method_reference,
    )

    assert [fact.kind for fact in (await shop.connector.charge_mandate(request)).facts] == [FactKind.CAPTURED]


async def test_a_mandate_without_a_token_waits_for_a_card(shop: Shop, key: str) -> None:
    made = await shop.connector.setup_mandate(mandate(key, None))
    request = charge(key, made.provider_reference)
    with pytest.raises(GatewayRejected, match="has no card yet") as failure:
        await shop.connector.charge_mandate(request)

    await shop.connector.store_payment_method(stored(f"{key}-first", f"customer-{key}"))
    latest = await shop.connector.store_payment_method(stored(f"{key}-latest", f"customer-{key}"))
    charged = await shop.connector.charge_mandate(request)

    assert (made.status, made.payment_method_reference) == ("pending", None)
    assert made.client_parameters == {"application_id": "sandbox-sq0idb-local", "location_id": "L1"}
    assert failure.value.field == "mandate_reference"
    assert latest.customer_reference == made.provider_reference
    assert [fact.kind for fact in charged.facts] == [FactKind.CAPTURED]


async def test_a_link_is_paid_and_tells_our_id(shop: Shop, key: str) -> None:
    made = await shop.connector.create_payment_link(link(key))
    page = await shop.read(f"/v2/online-checkout/payment-links/{made.provider_reference}")

    await shop.pay(made.provider_reference)
    status = await shop.status(page["order_id"])

    assert made.url == page["url"]
    assert page["checkout_options"] == {"allow_tipping": False, "redirect_url": RETURN_URL}
    assert [(fact.kind, fact.amount_minor, fact.payment_id) for fact in status.facts] == [
        (FactKind.CAPTURED, 1200, PAYMENT)
    ]
    (payment,) = [fact.movement_reference for fact in status.facts]
    assert (await shop.read(f"/v2/payments/{payment}"))["note"] == PAYMENT


async def test_a_cancelled_link_cannot_be_paid(shop: Shop, key: str) -> None:
    made = await shop.connector.create_payment_link(link(key))
    page = await shop.read(f"/v2/online-checkout/payment-links/{made.provider_reference}")

    await shop.connector.cancel_payment_link(made.provider_reference)
    await shop.connector.cancel_payment_link(made.provider_reference)

    status = await shop.status(page["order_id"])
    assert [(fact.kind, fact.payment_id) for fact in status.facts] == [(FactKind.CANCELLED, PAYMENT)]


@pytest.mark.parametrize("change", [{"reusable": True}, {"expires_at": datetime(2030, 1, 1, tzinfo=UTC)}])
async def test_a_link_that_square_does_not_have_is_refused(shop: Shop, key: str, change: dict[str, Any]) -> None:
    with pytest.raises(GatewayRejected) as failure:
        await shop.connector.create_payment_link(replace(link(key), **change))

    assert [failure.value.field] == list(change)


def redirect(reference: str, **parameters: str) -> RedirectRequest:
    return RedirectRequest(payment_id=PAYMENT, account=ACCOUNT, provider_reference=reference, parameters=parameters)


async def test_a_browser_that_comes_back_is_not_believed_but_the_payment_is_read(shop: Shop, key: str) -> None:
    reference, payment = await shop.captured(key)

    for parameters in ({}, {"orderId": reference, "status": "FAILED"}):
        answer = await shop.connector.verify_redirect(redirect(reference, **parameters))
        assert told(answer.facts) == [(FactKind.CAPTURED, payment, 1200)]


async def test_a_browser_from_another_order_is_refused(shop: Shop, key: str) -> None:
    reference, _ = await shop.captured(key)

    with pytest.raises(VerificationFailed) as refusal:
        await shop.connector.verify_redirect(redirect(reference, orderId="another"))

    assert refusal.value.code == "reference_mismatch"
