"""The PayTabs connector against the local PayTabs: pages, captures, voids, refunds, and what fails between."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from connectors.base import RedirectRequest
from domain.errors import (
    GatewayDeclined,
    GatewayRejected,
    GatewayUnavailable,
    OutcomeUnknown,
    VerificationFailed,
)
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


async def moved(shop: Shop) -> dict[str, int]:
    return dict(await shop.told("movements"))


async def test_a_page_is_made_paid_and_told_of(shop: Shop) -> None:
    created = await shop.connector.create_order(shop.order())

    assert created.provider_reference == shop.payment_id
    assert (created.amount_minor, created.currency, created.facts) == (15000, "AED", ())
    assert created.client_parameters["redirect_url"].startswith("https://secure.paytabs.example/payment/page/TST")
    assert await shop.facts() == ()

    await shop.pay()
    (fact,) = await shop.facts()

    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, 15000, "AED")
    assert (fact.provider_reference, fact.payment_id) == (shop.payment_id, shop.payment_id)
    assert fact.references == (shop.payment_id, fact.movement_reference)
    assert steps_of(await shop.callback_facts()) == steps_of((fact,))
    assert await shop.facts(fact.movement_reference) == (fact,)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("failed", FactKind.FAILED),
        ("cancelled", FactKind.CANCELLED),
        ("expired", FactKind.CANCELLED),
        ("held", FactKind.PROCESSING),
    ],
)
async def test_a_payment_that_comes_to_nothing_is_told_as_that(shop: Shop, outcome: str, kind: FactKind) -> None:
    await shop.connector.create_order(shop.order())
    await shop.pay(outcome)

    assert [fact.kind for fact in await shop.facts()] == [kind]
    assert steps_of(await shop.callback_facts()) == await shop.steps()


async def test_a_lost_attempt_says_nothing_beside_a_payment(shop: Shop) -> None:
    await shop.connector.create_order(shop.order())
    await shop.pay("failed")
    await shop.control("two_minutes_later")
    sale = await shop.sold()

    assert await shop.steps() == [("captured", sale, 15000)]


@pytest.mark.parametrize(
    ("amount_minor", "currency"), [(1, "AED"), (150_000, "AED"), (500, "JPY"), (1, "KWD"), (1_234, "BHD")]
)
async def test_amounts_are_written_and_read_exactly(shop: Shop, amount_minor: int, currency: str) -> None:
    await shop.connector.create_order(shop.order(amount_minor, currency))
    await shop.pay()

    assert [(fact.amount_minor, fact.currency) for fact in await shop.facts()] == [(amount_minor, currency)]


async def test_a_currency_that_nobody_knows_is_refused_before_a_call(shop: Shop) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await shop.connector.create_order(shop.order(currency="XXX"))

    assert refusal.value.field == "amount_minor"


async def test_an_authorization_is_captured_in_part_and_refunded_in_part(shop: Shop) -> None:
    authorization = await shop.authorized()

    captured = await shop.connector.capture(shop.movement(10000, authorization_reference=authorization))
    (capture,) = captured.facts
    refunded = await shop.connector.refund(
        shop.movement(4000, "command-3", capture_reference=capture.movement_reference)
    )
    (refund,) = refunded.facts

    assert captured.provider_reference == refunded.provider_reference == shop.payment_id
    assert capture.references == (shop.payment_id, capture.movement_reference, authorization)
    assert refund.references == (shop.payment_id, refund.movement_reference, capture.movement_reference)
    expected = [
        ("authorized", authorization, 15000),
        ("captured", capture.movement_reference, 10000),
        ("refunded", refund.movement_reference, 4000),
    ]
    assert await shop.steps() == expected
    await shop.control("settle")
    assert steps_of(await shop.callback_facts()) == expected


async def test_an_authorization_is_found_when_nobody_names_it(shop: Shop) -> None:
    authorization = await shop.authorized()

    (fact,) = (await shop.connector.capture(shop.movement(15000))).facts

    assert fact.related_references[1:] == (authorization,)


async def test_an_authorization_is_voided_as_a_whole(shop: Shop) -> None:
    authorization = await shop.authorized()

    (fact,) = (await shop.connector.void(shop.movement(0, authorization_reference=authorization))).facts

    assert (fact.kind, fact.amount_minor, fact.reason) == (FactKind.CANCELLED, None, None)
    assert [step[0] for step in await shop.steps()] == ["authorized", "cancelled"]
    with pytest.raises(GatewayRejected, match="HTTP 400: Transaction cannot be captured"):
        await shop.connector.capture(shop.movement(15000, "command-3", authorization_reference=authorization))


async def test_a_refund_finds_a_capture_with_as_much_left(shop: Shop) -> None:
    authorization = await shop.authorized()
    (first,) = (await shop.connector.capture(shop.movement(5000, "a", authorization_reference=authorization))).facts
    (second,) = (await shop.connector.capture(shop.movement(6000, "b", authorization_reference=authorization))).facts
    await shop.connector.refund(shop.movement(2000, "c"))

    (refund,) = (await shop.connector.refund(shop.movement(4000, "d"))).facts

    assert refund.related_references[1:] == (second.movement_reference,)
    assert first.movement_reference != second.movement_reference
    with pytest.raises(GatewayRejected, match="no capture with as much left"):
        await shop.connector.refund(shop.movement(3001, "e"))


async def test_a_refund_may_wait(paytabs_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving("tests.gateways.paytabs", tmp_path_factory.mktemp("waiting-paytabs")) as url:
        async with shop_at(url) as shop:
            sale = await shop.sold()
            await shop.callback_facts()
            await shop.control("refunds_wait")
            (waiting,) = (await shop.connector.refund(shop.movement(5000, capture_reference=sale))).facts
            await shop.control("settle")
            (done,) = await shop.callback_facts()

    assert (waiting.kind, done.kind) == (FactKind.REFUND_PENDING, FactKind.REFUNDED)
    assert waiting.movement_reference == done.movement_reference
    assert waiting.amount_minor == done.amount_minor == 5000


@pytest.mark.parametrize("name", ["authorization", "sale"])
async def test_what_is_not_there_cannot_follow(shop: Shop, name: str) -> None:
    await shop.connector.create_order(shop.order())
    call = shop.connector.void if name == "authorization" else shop.connector.refund

    with pytest.raises(GatewayRejected):
        await call(shop.movement(5000))


async def test_the_same_command_again_is_carried_out_once(shop: Shop) -> None:
    authorization = await shop.authorized()
    before = await moved(shop)
    capture = shop.movement(10000, authorization_reference=authorization)
    first = await shop.connector.capture(capture)
    refund = shop.movement(4000, "command-3", capture_reference=first.facts[0].movement_reference)
    refunded = await shop.connector.refund(refund)
    await shop.control("two_minutes_later")

    assert await shop.connector.capture(capture) == first
    assert await shop.connector.refund(refund) == refunded
    after = await moved(shop)
    assert (after["capture"] - before.get("capture", 0), after["refund"] - before.get("refund", 0)) == (1, 1)


async def test_two_refunds_of_the_same_amount_are_two_refunds(shop: Shop) -> None:
    sale = await shop.sold()
    await shop.connector.refund(shop.movement(4000, "command-2", capture_reference=sale))

    with pytest.raises(GatewayUnavailable, match="less than two minutes ago") as refusal:
        await shop.connector.refund(shop.movement(4000, "command-3", capture_reference=sale))
    await shop.control("two_minutes_later")
    await shop.connector.refund(shop.movement(4000, "command-3", capture_reference=sale))

    assert refusal.value.code == "duplicate_request"
    assert [step[0] for step in await shop.steps()] == ["captured", "refunded", "refunded"]


async def test_a_request_that_comes_twice_is_carried_out_once(shop: Shop) -> None:
    sale = await shop.sold()
    await shop.control("faults/delivered_twice")

    answer = await shop.connector.refund(shop.movement(4000, capture_reference=sale))

    assert [fact.kind for fact in answer.facts] == [FactKind.REFUNDED]
    assert [step[0] for step in await shop.steps()] == ["captured", "refunded"]


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
async def test_silence_is_unknown_and_the_repeat_finds_what_was_done(shop: Shop, operation: str) -> None:
    target = await (shop.sold() if operation == "refund" else shop.authorized())
    names = {"capture_reference": target} if operation == "refund" else {"authorization_reference": target}
    request = shop.movement(15000, **names)
    call = getattr(shop.connector, operation)
    await shop.control("faults/silent_after")

    with pytest.raises(OutcomeUnknown):
        await call(request)
    known = await shop.steps()
    repeated = await call(request)

    assert steps_of(repeated.facts) == known[1:]
    assert await shop.steps() == known


async def test_a_page_is_not_made_twice_within_two_minutes(shop: Shop) -> None:
    await shop.control("faults/silent_after")
    with pytest.raises(OutcomeUnknown):
        await shop.connector.create_order(shop.order())

    with pytest.raises(GatewayUnavailable):
        await shop.connector.create_order(shop.order())
    await shop.control("two_minutes_later")
    again = await shop.connector.create_order(shop.order())

    assert again.provider_reference == shop.payment_id
    assert again.client_parameters["redirect_url"]


async def test_a_payment_that_was_made_needs_no_page(shop: Shop) -> None:
    sale = await shop.sold()

    again = await shop.connector.create_order(shop.order())

    assert (again.client_parameters, steps_of(again.facts)) == ({}, [("captured", sale, 15000)])
    with pytest.raises(GatewayRejected, match="belongs to another payment"):
        await shop.connector.create_order(shop.order(15001))


async def test_an_error_before_anything_is_unknown_and_had_no_effect(shop: Shop) -> None:
    sale = await shop.sold()
    await shop.control("faults/error_before")

    with pytest.raises(OutcomeUnknown):
        await shop.connector.refund(shop.movement(4000, capture_reference=sale))

    assert [step[0] for step in await shop.steps()] == ["captured"]


async def test_an_id_that_does_not_fit_becomes_a_digest(shop: Shop) -> None:
    long = replace(shop, payment_id="an id with spaces " + "x" * 100)
    created = await long.connector.create_order(long.order())
    await long.pay(reference=created.provider_reference)

    (fact,) = await long.facts(created.provider_reference)

    assert len(created.provider_reference) == 64
    assert (fact.provider_reference, fact.payment_id) == (created.provider_reference, None)


async def test_a_payment_that_is_named_after_its_transaction_is_followed_in_its_cart(shop: Shop) -> None:
    sale = await shop.sold()

    (fact,) = (await shop.connector.refund(replace(shop.movement(4000), provider_reference=sale))).facts

    assert fact.references == (shop.payment_id, fact.movement_reference, sale)
    assert steps_of(await shop.facts(sale)) == await shop.steps()


async def test_a_command_whose_id_does_not_fit_is_found_again(shop: Shop) -> None:
    sale = await shop.sold()
    request = shop.movement(4000, "command with spaces " + "x" * 200, capture_reference=sale)

    first = await shop.connector.refund(request)

    assert await shop.connector.refund(request) == first


async def test_the_browser_proves_a_payment_that_is_then_read_back(shop: Shop) -> None:
    sale = await shop.sold()
    form = await shop.told(f"returned/{sale}")
    request = RedirectRequest(
        payment_id=shop.payment_id, account=ACCOUNT, provider_reference=shop.payment_id, parameters=form
    )

    answer = await shop.connector.verify_redirect(request)

    assert steps_of(answer.facts) == [("captured", sale, 15000)]
    assert (answer.amount_minor, answer.currency) == (15000, "AED")
    with pytest.raises(VerificationFailed):
        await shop.connector.verify_redirect(replace(request, parameters={**form, "respStatus": "D"}))


async def test_a_wrong_server_key_is_told_as_refused_credentials(shop: Shop, paytabs_url: str) -> None:
    credentials = shop.connector._api.credentials.model_copy(update={"region": "EGY"})
    stranger = type(shop.connector)(type(credentials).model_validate({**credentials.model_dump(), "server_key": "x"}))

    with pytest.raises(GatewayRejected) as refusal:
        await stranger.create_order(shop.order())
    await stranger.aclose()

    assert refusal.value.code == "credentials_refused"


async def test_a_declined_follow_up_is_declined(shop: Shop) -> None:
    authorization = await shop.authorized()
    await shop.control("decline_next")

    with pytest.raises(GatewayDeclined, match="declined the capture: 481: Declined"):
        await shop.connector.capture(shop.movement(10000, authorization_reference=authorization))

    await shop.control("settle")
    assert [fact.kind for fact in await shop.callback_facts()] == [FactKind.AUTHORIZED, FactKind.IGNORED]
