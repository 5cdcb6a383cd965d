"""A call repeated with the same key takes effect once, whatever became of the first: for every operation of Stripe."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from connectors.base import (
    MandateChargeRequest,
    MandateRequest,
    PaymentLinkRequest,
    PaymentMethodRequest,
)
from connectors.stripe.client import StripeConnector
from domain.errors import GatewayError, GatewayUnavailable, OutcomeUnknown
from tests.connectors.case import ACCOUNT
from tests.connectors.keyed_stripe import GOOD, Control, authorization, movement, order

Call = Callable[[], Awaitable[object]]


class Prepared(NamedTuple):
    """An operation ready to be called as often as a test likes, and another one with the same key."""

    call: Call
    changed: Call
    moves: dict[str, int]


Prepare = Callable[[StripeConnector, str], Awaitable[Prepared]]


async def create_order(stripe: StripeConnector, key: str) -> Prepared:
    request = order(key)
    changed = replace(request, amount_minor=2000)
    return Prepared(lambda: stripe.create_order(request), lambda: stripe.create_order(changed), {})


async def authorize(stripe: StripeConnector, key: str) -> Prepared:
    made = await stripe.create_order(order(f"{key}-order"))
    request = authorization(key, made.provider_reference)
    changed = replace(request, return_url="https://another.example")
    return Prepared(lambda: stripe.authorize(request), lambda: stripe.authorize(changed), {"charge": 1})


async def authorized(stripe: StripeConnector, key: str) -> str:
    made = await stripe.create_order(order(f"{key}-order"))
    await stripe.authorize(authorization(f"{key}-authorize", made.provider_reference))
    return made.provider_reference


async def capture(stripe: StripeConnector, key: str) -> Prepared:
    request = movement(key, await authorized(stripe, key), 700)
    changed = replace(request, amount_minor=600)
    return Prepared(lambda: stripe.capture(request), lambda: stripe.capture(changed), {"capture": 1})


async def void(stripe: StripeConnector, key: str) -> Prepared:
    request = movement(key, await authorized(stripe, key), 1000)
    changed = replace(request, provider_reference=await authorized(stripe, f"{key}-other"))
    return Prepared(lambda: stripe.void(request), lambda: stripe.void(changed), {"void": 1})


async def increment(stripe: StripeConnector, key: str) -> Prepared:
    request = movement(key, await authorized(stripe, key), 1500)
    changed = replace(request, amount_minor=1600)
    return Prepared(
        lambda: stripe.increment_authorization(request),
        lambda: stripe.increment_authorization(changed),
        {"increment": 1},
    )


async def refund(stripe: StripeConnector, key: str) -> Prepared:
    reference = await authorized(stripe, key)
    await stripe.capture(movement(f"{key}-capture", reference, 1000))
    request = movement(key, reference, 300)
    changed = replace(request, amount_minor=301)
    return Prepared(lambda: stripe.refund(request), lambda: stripe.refund(changed), {"refund": 1})


async def charge_mandate(stripe: StripeConnector, key: str) -> Prepared:
    mandate = await stripe.setup_mandate(mandate_request(f"{key}-mandate"))
    request = MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1000,
        currency="USD",
        mandate_reference=mandate.provider_reference,
    )
    changed = replace(request, amount_minor=2000)
    moves = {"charge": 1, "capture": 1}
    return Prepared(lambda: stripe.charge_mandate(request), lambda: stripe.charge_mandate(changed), moves)


def mandate_request(key: str) -> MandateRequest:
    return MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key=key,
        customer_id="customer-1",
        currency="USD",
        payment_method_token=GOOD,
    )


async def setup_mandate(stripe: StripeConnector, key: str) -> Prepared:
    request = mandate_request(key)
    changed = replace(request, mandate_id="mandate-2")
    return Prepared(lambda: stripe.setup_mandate(request), lambda: stripe.setup_mandate(changed), {})


async def store_payment_method(stripe: StripeConnector, key: str) -> Prepared:
    request = PaymentMethodRequest(account=ACCOUNT, idempotency_key=key, customer_id="customer-1", token=GOOD)
    changed = replace(request, customer_id="customer-2")
    return Prepared(lambda: stripe.store_payment_method(request), lambda: stripe.store_payment_method(changed), {})


async def create_payment_link(stripe: StripeConnector, key: str) -> Prepared:
    request = PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1000,
        currency="USD",
        description="Two coffees",
    )
    changed = replace(request, amount_minor=2000)
    return Prepared(lambda: stripe.create_payment_link(request), lambda: stripe.create_payment_link(changed), {})


async def create_expiring_link(stripe: StripeConnector, key: str) -> Prepared:
    request = PaymentLinkRequest(
        payment_link_id="link-1",
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=1000,
        currency="USD",
        description="Two coffees",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    changed = replace(request, amount_minor=2000)
    return Prepared(lambda: stripe.create_payment_link(request), lambda: stripe.create_payment_link(changed), {})


every_operation = pytest.mark.parametrize(
    "prepare",
    [
        create_order,
        authorize,
        capture,
        void,
        increment,
        refund,
        setup_mandate,
        charge_mandate,
        store_payment_method,
        create_payment_link,
        create_expiring_link,
    ],
)


def moved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """What was counted in between, requests apart."""
    counts = {kind: count - before.get(kind, 0) for kind, count in after.items() if kind != "posts"}
    return {kind: count for kind, count in counts.items() if count}


@every_operation
async def test_the_same_call_again_has_the_same_answer_and_no_second_effect(
    stripe: StripeConnector, control: Control, key: str, prepare: Prepare
) -> None:
    prepared = await prepare(stripe, key)
    before = await control.movements()
    answers = [await prepared.call() for _ in range(3)]
    after = await control.movements()

    assert answers[1:] == answers[:1] * 2
    assert moved(before, after) == prepared.moves
    assert after["posts"] - before["posts"] >= 3


@every_operation
async def test_a_call_without_an_answer_is_unknown_and_its_repetition_tells_what_became_of_it(
    stripe: StripeConnector, control: Control, key: str, prepare: Prepare
) -> None:
    prepared = await prepare(stripe, key)
    before = await control.movements()
    await control.plan("silent_after")
    with pytest.raises((OutcomeUnknown, GatewayUnavailable)) as failure:
        await prepared.call()
    between = moved(before, await control.movements())
    answer = await prepared.call()

    assert type(failure.value) is OutcomeUnknown or between == {}
    assert between == prepared.moves
    assert moved(before, await control.movements()) == prepared.moves
    assert answer == await prepared.call()


@every_operation
async def test_a_call_that_failed_before_its_effect_takes_effect_when_repeated(
    stripe: StripeConnector, control: Control, key: str, prepare: Prepare
) -> None:
    prepared = await prepare(stripe, key)
    before = await control.movements()
    await control.plan("error_before")
    with pytest.raises(GatewayError):
        await prepared.call()
    between = moved(before, await control.movements())
    await prepared.call()

    assert between == {}
    assert moved(before, await control.movements()) == prepared.moves


@every_operation
async def test_a_request_that_arrives_twice_takes_effect_once(
    stripe: StripeConnector, control: Control, key: str, prepare: Prepare
) -> None:
    prepared = await prepare(stripe, key)
    before = await control.movements()
    await control.plan("delivered_twice")
    await prepared.call()

    assert moved(before, await control.movements()) == prepared.moves


@every_operation
async def test_the_key_of_another_request_leaves_the_outcome_unknown(
    stripe: StripeConnector, control: Control, key: str, prepare: Prepare
) -> None:
    prepared = await prepare(stripe, key)
    await prepared.call()
    before = await control.movements()
    # Keeping a payment method moves no money, so there an unknown outcome is simply tried again.
    with pytest.raises((OutcomeUnknown, GatewayUnavailable), match="from another request"):
        await prepared.changed()

    assert moved(before, await control.movements()) == {}


async def test_without_the_key_the_same_refund_would_move_money_twice(
    stripe: StripeConnector, control: Control, key: str
) -> None:
    await (await refund(stripe, key)).call()
    before = await control.movements()
    reference = await authorized(stripe, f"{key}-2")
    await stripe.capture(movement(f"{key}-2-capture", reference, 1000))
    for attempt in ("1", "2"):
        await stripe.refund(movement(f"{key}-{attempt}-refund", reference, 300))

    assert moved(before, await control.movements())["refund"] == 2
