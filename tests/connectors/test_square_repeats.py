"""A call repeated with the same key takes effect once, whatever became of the first: for every operation of Square."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from connectors.base import MandateChargeRequest, MandateRequest, PaymentLinkRequest, PaymentMethodRequest
from connectors.square.api import MAX_KEY_LENGTH, square_key
from domain.errors import GatewayError, GatewayUnavailable, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.gateways.serving import serving
from tests.gateways.square_shop import Shop, authorization, movement, open_shop, order, told
from tests.gateways.square_state import GOOD

Call = Callable[[], Awaitable[object]]


class Prepared(NamedTuple):
    """An operation ready to be called as often as a test likes, and what it moves, by kind."""

    call: Call
    moves: dict[str, int]


Prepare = Callable[[Shop, str], Awaitable[Prepared]]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Square."""
    with serving("tests.gateways.square", tmp_path_factory.mktemp("square")) as url:
        yield url


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    """A seller there."""
    async with open_shop(url) as shop:
        yield shop


async def create_order(shop: Shop, key: str) -> Prepared:
    return Prepared(lambda: shop.connector.create_order(order(key)), {})


async def authorize(shop: Shop, key: str) -> Prepared:
    request = authorization(key, await shop.order(f"{key}-order", manual_capture=True), manual_capture=True)
    return Prepared(lambda: shop.connector.authorize(request), {"authorization": 1})


async def pay(shop: Shop, key: str) -> Prepared:
    request = authorization(key, await shop.order(f"{key}-order"))
    return Prepared(lambda: shop.connector.authorize(request), {"authorization": 1, "capture": 1})


async def capture(shop: Shop, key: str) -> Prepared:
    reference, payment = await shop.authorized(key)
    request = movement(key, reference, authorization_reference=payment)
    return Prepared(lambda: shop.connector.capture(request), {"capture": 1})


async def capture_in_part(shop: Shop, key: str) -> Prepared:
    reference, payment = await shop.authorized(key)
    request = movement(key, reference, 700, authorization_reference=payment)
    return Prepared(lambda: shop.connector.capture(request), {"update": 1, "capture": 1})


async def increment(shop: Shop, key: str) -> Prepared:
    reference, payment = await shop.authorized(key)
    request = movement(key, reference, 1500, authorization_reference=payment)
    return Prepared(lambda: shop.connector.increment_authorization(request), {"update": 1})


async def void(shop: Shop, key: str) -> Prepared:
    reference, _ = await shop.authorized(key)
    return Prepared(lambda: shop.connector.void(movement(key, reference)), {"void": 1})


async def give_up(shop: Shop, key: str) -> Prepared:
    reference = await shop.order(f"{key}-order")
    return Prepared(lambda: shop.connector.void(movement(key, reference)), {})


async def refund(shop: Shop, key: str) -> Prepared:
    reference, payment = await shop.captured(key)
    request = movement(key, reference, 400, capture_reference=payment)
    return Prepared(lambda: shop.connector.refund(request), {"refund": 1})


def mandate(key: str, token: str | None = GOOD) -> MandateRequest:
    return MandateRequest(
        mandate_id=f"mandate-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        customer_id=f"customer-{key}",
        currency="USD",
        payment_method_token=token,
    )


async def setup_mandate(shop: Shop, key: str) -> Prepared:
    return Prepared(lambda: shop.connector.setup_mandate(mandate(key)), {})


async def store_payment_method(shop: Shop, key: str) -> Prepared:
    request = PaymentMethodRequest(account=ACCOUNT, idempotency_key=key, customer_id=f"customer-{key}", token=GOOD)
    return Prepared(lambda: shop.connector.store_payment_method(request), {})


async def charge_mandate(shop: Shop, key: str) -> Prepared:
    made = await shop.connector.setup_mandate(mandate(f"{key}-setup"))
    request = MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1200,
        currency="USD",
        mandate_reference=made.provider_reference,
    )
    return Prepared(lambda: shop.connector.charge_mandate(request), {"authorization": 1, "capture": 1})


def link(key: str) -> PaymentLinkRequest:
    return PaymentLinkRequest(
        payment_link_id=f"link-{key}",
        payment_id=f"payment-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1200,
        currency="USD",
        description="Two coffees",
    )


async def create_payment_link(shop: Shop, key: str) -> Prepared:
    return Prepared(lambda: shop.connector.create_payment_link(link(key)), {})


async def cancel_payment_link(shop: Shop, key: str) -> Prepared:
    made = await shop.connector.create_payment_link(link(key))
    return Prepared(lambda: shop.connector.cancel_payment_link(made.provider_reference), {})


EVERYTHING: list[Prepare] = [
    create_order,
    authorize,
    pay,
    capture,
    capture_in_part,
    increment,
    void,
    give_up,
    refund,
    setup_mandate,
    store_payment_method,
    charge_mandate,
    create_payment_link,
    cancel_payment_link,
]

PREPARED_BY_WRITING: list[Prepare] = [
    capture_in_part,
    increment,
    setup_mandate,
    store_payment_method,
    charge_mandate,
]
"""Whose first writing call is not the one that matters: without an answer to it, nothing has moved yet."""


async def moved(shop: Shop, before: dict[str, int]) -> dict[str, int]:
    now = await shop.movements()
    return {kind: count - before.get(kind, 0) for kind, count in now.items() if count > before.get(kind, 0)}


@pytest.mark.parametrize("prepare", EVERYTHING)
@pytest.mark.parametrize("long", [False, True])
async def test_the_same_call_again_has_no_second_effect(shop: Shop, key: str, prepare: Prepare, *, long: bool) -> None:
    prepared = await prepare(shop, key * 5 if long else key)
    before = await shop.movements()

    first = await prepared.call()
    again = await prepared.call()

    assert again == first
    assert await moved(shop, before) == prepared.moves


@pytest.mark.parametrize("prepare", EVERYTHING)
async def test_a_call_without_an_answer_may_be_repeated(shop: Shop, key: str, prepare: Prepare) -> None:
    prepared = await prepare(shop, key)
    before = await shop.movements()
    await shop.plan("silent_after")

    with pytest.raises(GatewayError) as failure:
        await prepared.call()
    await prepared.call()

    assert type(failure.value) is (GatewayUnavailable if prepare in PREPARED_BY_WRITING else OutcomeUnknown)
    assert await moved(shop, before) == prepared.moves


@pytest.mark.parametrize("prepare", EVERYTHING)
async def test_a_call_that_failed_at_the_gateway_may_be_repeated(shop: Shop, key: str, prepare: Prepare) -> None:
    prepared = await prepare(shop, key)
    before = await shop.movements()
    await shop.plan("error_before")

    with pytest.raises(GatewayError):
        await prepared.call()
    await prepared.call()

    assert await moved(shop, before) == prepared.moves


@pytest.mark.parametrize(
    "prepare", [each for each in EVERYTHING if each not in {capture, void, give_up, cancel_payment_link}]
)
async def test_a_request_that_comes_twice_is_carried_out_once(shop: Shop, key: str, prepare: Prepare) -> None:
    prepared = await prepare(shop, key)
    before = await shop.movements()
    await shop.plan("delivered_twice")

    await prepared.call()

    assert await moved(shop, before) == prepared.moves


async def test_a_capture_that_comes_twice_moves_money_once(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key)
    before = await shop.movements()
    await shop.plan("delivered_twice")

    # Square answers the second time that the payment is completed; asked again, so do we.
    with pytest.raises(GatewayError):
        await shop.connector.capture(movement(key, reference))
    again = await shop.connector.capture(movement(key, reference))

    assert told(again.facts) == [(FactKind.CAPTURED, payment, 1200)]
    assert await moved(shop, before) == {"capture": 1}


async def test_a_key_that_was_used_for_something_else_leaves_the_outcome_open(shop: Shop, key: str) -> None:
    reference, payment = await shop.captured(key)
    request = movement(key, reference, 400, capture_reference=payment)
    await shop.connector.refund(request)

    with pytest.raises(OutcomeUnknown, match="idempotency key"):
        await shop.connector.refund(replace(request, amount_minor=300))


@pytest.mark.parametrize("parts", [("a" * 45,), ("a" * 46,), ("a" * 255, "order"), ("é" * 30, "amount", "1")])
def test_a_key_fits_and_is_told_apart(parts: tuple[str, ...]) -> None:
    assert len(square_key(*parts).encode()) <= MAX_KEY_LENGTH
    assert len({square_key(*parts), square_key(*parts, "x"), square_key(parts[0] + "b", *parts[1:])}) == 3
