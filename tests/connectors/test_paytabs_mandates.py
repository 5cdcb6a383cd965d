"""PayTabs' registered cards, and recurring charges of them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from connectors.base import MandateChargeRequest, MandateRequest
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from domain.facts import FactKind
from tests.gateways.paytabs_payer import ACCOUNT, Shop, shop_at, steps_of
from tests.gateways.serving import serving


@pytest.fixture(scope="module")
def paytabs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local PayTabs."""
    with serving("tests.gateways.paytabs", tmp_path_factory.mktemp("paytabs")) as url:
        yield url


@pytest.fixture
async def shop(paytabs_url: str) -> AsyncIterator[Shop]:
    """A payment and both of its sides."""
    async with shop_at(paytabs_url) as shop:
        yield shop


def mandate_of(shop: Shop, token: str | None = None) -> MandateRequest:
    return MandateRequest(
        mandate_id=f"mandate-of-{shop.payment_id}",
        account=ACCOUNT,
        idempotency_key="command-1",
        customer_id="customer-1",
        currency="AED",
        payment_method_token=token,
        return_url="https://shop.example/back",
    )


def charge_of(shop: Shop, **tokens: str | None) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id=shop.payment_id,
        account=ACCOUNT,
        idempotency_key="command-2",
        amount_minor=2500,
        currency="AED",
        mandate_reference=f"mandate-of-{shop.payment_id}",
        **tokens,
    )


async def test_a_card_is_registered_on_a_page_and_charged_later(shop: Shop) -> None:
    begun = await shop.connector.setup_mandate(mandate_of(shop))
    await shop.pay(reference=begun.provider_reference)
    (told,) = await shop.callback_facts()

    charged = await shop.connector.charge_mandate(charge_of(shop))

    assert (begun.status, begun.payment_method_reference) == ("pending", None)
    assert begun.client_parameters["redirect_url"].startswith("https://")
    assert (told.kind, told.reason) == (
        FactKind.IGNORED,
        "the callback is about a mandate, whose state is read back when it is charged",
    )
    (fact,) = charged.facts
    assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.CAPTURED, 2500, shop.payment_id)
    assert fact.references == (shop.payment_id, fact.movement_reference)
    await shop.control("settle")
    assert steps_of(await shop.callback_facts()) == steps_of(charged.facts) == await shop.steps()


async def test_a_registered_card_is_told_with_its_token(shop: Shop) -> None:
    begun = await shop.connector.setup_mandate(mandate_of(shop))
    await shop.pay(reference=begun.provider_reference)

    again = await shop.connector.setup_mandate(mandate_of(shop))
    tokens = {
        "customer_reference": again.customer_reference,
        "payment_method_reference": again.payment_method_reference,
    }
    charged = await shop.connector.charge_mandate(charge_of(shop, **tokens))

    assert (again.status, again.provider_reference) == ("active", begun.provider_reference)
    assert [fact.kind for fact in charged.facts] == [FactKind.CAPTURED]


async def test_a_mandate_that_is_not_confirmed_is_not_charged(shop: Shop) -> None:
    await shop.connector.setup_mandate(mandate_of(shop))

    with pytest.raises(GatewayRejected, match="is not confirmed"):
        await shop.connector.charge_mandate(charge_of(shop))


async def test_a_token_from_elsewhere_is_refused(shop: Shop) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await shop.connector.setup_mandate(mandate_of(shop, "token"))

    assert refusal.value.field == "payment_method_token"


async def test_a_declined_charge_is_declined_however_often_it_is_asked_for(shop: Shop) -> None:
    begun = await shop.connector.setup_mandate(mandate_of(shop))
    await shop.pay("weak_card", begun.provider_reference)

    for _ in range(2):
        with pytest.raises(GatewayDeclined, match="declined the sale: 481: Declined"):
            await shop.connector.charge_mandate(charge_of(shop))
        await shop.control("two_minutes_later")

    assert [fact.kind for fact in await shop.facts()] == [FactKind.FAILED]


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_a_charge_has_one_effect(shop: Shop, fault: str) -> None:
    begun = await shop.connector.setup_mandate(mandate_of(shop))
    await shop.pay(reference=begun.provider_reference)
    await shop.control(f"faults/{fault}")
    if fault == "silent_after":
        with pytest.raises(OutcomeUnknown):
            await shop.connector.charge_mandate(charge_of(shop))
        await shop.control("two_minutes_later")

    charged = await shop.connector.charge_mandate(charge_of(shop))

    assert [fact.kind for fact in await shop.facts()] == [FactKind.CAPTURED]
    assert steps_of(charged.facts) == await shop.steps()


async def test_a_page_for_a_mandate_is_not_made_twice_within_two_minutes(shop: Shop) -> None:
    await shop.connector.setup_mandate(mandate_of(shop))

    with pytest.raises(GatewayUnavailable):
        await shop.connector.setup_mandate(mandate_of(shop))
