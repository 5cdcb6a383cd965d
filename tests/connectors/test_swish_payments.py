"""The Swish connector against the local Swish, and the callbacks that its payments lead to."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.errors import GatewayRejected, GatewayUnavailable, OutcomeUnknown
from domain.facts import Fact, FactKind, Trust
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.serving import serving
from tests.gateways.swish_payer import IMPATIENT, Shop, movement, order_request, shop_at, status


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Swish."""
    with serving("tests.gateways.swish", tmp_path_factory.mktemp("swish")) as url:
        yield url


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    """A shop at the local Swish that does not wait long."""
    async with shop_at(url, timeouts=IMPATIENT) as shop:
        yield shop


@pytest.fixture
async def paid(shop: Shop, key: str) -> str:
    """The name of a payment of 120 kronor that is paid."""
    reference = (await shop.swish.create_order(order_request(f"create-{key}"))).provider_reference
    await shop.pay(reference)
    return reference


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in facts]


def ids(facts: tuple[Fact, ...]) -> list[str]:
    return [fact.gateway_event_id for fact in facts]


async def test_a_payment_request_opens_the_payers_app(shop: Shop, key: str) -> None:
    request = order_request(key, return_url="https://shop.example/back?cart=7&x=å")
    answer = await shop.swish.create_order(request)
    payment = await shop.read("paymentrequests", answer.provider_reference)
    token, app_url = answer.client_parameters["payment_request_token"], answer.client_parameters["app_url"]

    assert said(answer.facts) == [(FactKind.REQUIRES_ACTION, None)]
    assert (answer.amount_minor, answer.currency) == (12_000, "SEK")
    assert app_url.startswith("swish://paymentrequest?token=")
    assert parse_qs(urlsplit(app_url).query) == {"token": [token], "callbackurl": [request.return_url]}
    assert (payment["payeePaymentReference"], payment["message"]) == ("payment-1", "Två kaffe!")
    assert ids(await shop.facts_of(status(answer.provider_reference))) == ids(answer.facts)


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_a_repeated_request_finds_the_first_one_without_its_token(shop: Shop, key: str, fault: str) -> None:
    request = order_request(key)
    await shop.fail_next(fault)
    if fault == "silent_after":
        with pytest.raises(OutcomeUnknown):
            await shop.swish.create_order(request)
    answer = await shop.swish.create_order(request)
    await shop.pay(answer.provider_reference)
    again = await shop.swish.create_order(request)

    assert (said(answer.facts), answer.client_parameters) == ([(FactKind.REQUIRES_ACTION, None)], {})
    assert (again.provider_reference, said(again.facts)) == (answer.provider_reference, [(FactKind.CAPTURED, 12_000)])
    with pytest.raises(GatewayRejected, match="another amount"):
        await shop.swish.create_order(order_request(key, amount_minor=5_000))


async def test_a_paid_request_is_captured_under_the_banks_reference(shop: Shop, paid: str) -> None:
    answer = await shop.swish.fetch_status(status(paid))
    (fact,) = answer.facts

    assert (answer.provider_reference, answer.amount_minor) == (paid, 12_000)
    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, 12_000, "SEK")
    assert fact.references == (paid, fact.movement_reference)
    assert (fact.payment_id, fact.trust) == ("payment-1", Trust.SIGNED)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("declined", FactKind.FAILED),
        ("error", FactKind.FAILED),
        ("cancelled", FactKind.CANCELLED),
        ("expired", FactKind.CANCELLED),
        ("unknown", FactKind.PROCESSING),
    ],
)
async def test_a_request_that_is_not_paid_says_why(shop: Shop, key: str, outcome: str, kind: FactKind) -> None:
    reference = (await shop.swish.create_order(order_request(key))).provider_reference
    (callback,) = await shop.pay(reference, outcome)
    (hint,) = shop.swish.parse_callback(callback)
    (fact,) = await shop.facts_of(status(reference))

    assert (fact.kind, hint.kind, hint.trust) == (kind, kind, Trust.HINT)
    assert fact.reason == hint.reason


async def test_a_callback_says_what_is_read_back(shop: Shop, key: str) -> None:
    reference = (await shop.swish.create_order(order_request(key))).provider_reference
    (callback,) = await shop.pay(reference)
    (hint,) = shop.swish.parse_callback(callback)
    (fact,) = await shop.facts_of(status(reference))

    assert hint.content_digest() == fact.content_digest()
    assert (hint.references, hint.occurred_at) == (fact.references, fact.occurred_at)
    assert (hint.trust, fact.trust) == (Trust.HINT, Trust.SIGNED)


async def test_an_open_request_is_withdrawn_and_stays_so(shop: Shop, key: str) -> None:
    reference = (await shop.swish.create_order(order_request(f"create-{key}"))).provider_reference
    answer = await shop.swish.void(movement(reference, key))
    again = await shop.swish.void(movement(reference, key))

    assert said(answer.facts) == [(FactKind.CANCELLED, None)]
    assert ids(again.facts) == ids(answer.facts) == ids(await shop.facts_of(status(reference)))


async def test_a_paid_request_cannot_be_withdrawn(shop: Shop, paid: str, key: str) -> None:
    with pytest.raises(GatewayRejected, match="that is PAID"):
        await shop.swish.void(movement(paid, key))


async def test_a_refund_is_pending_until_the_bank_has_carried_it_out(shop: Shop, paid: str, key: str) -> None:
    answer = await shop.swish.refund(movement(paid, key, 4_000))
    (pending,) = answer.facts
    name = str(pending.movement_reference)
    before = await shop.facts_of(status(paid, name))
    callbacks = await shop.settle()
    hints = [shop.swish.parse_callback(callback)[0] for callback in callbacks]
    after = await shop.facts_of(status(paid, name))

    assert (answer.provider_reference, said(answer.facts)) == (paid, [(FactKind.REFUND_PENDING, 4_000)])
    assert pending.references == (paid, before[0].movement_reference)
    assert (said(before)[1:], ids(before[1:])) == ([(FactKind.REFUND_PENDING, 4_000)], ids(answer.facts))
    assert said(after)[1:] == [(FactKind.REFUNDED, 4_000)]
    (hint,) = [hint for hint in hints if hint.movement_reference == name]
    assert (hint.kind, hint.provider_reference) == (FactKind.REFUNDED, before[0].movement_reference)


async def test_refunds_are_made_in_parts_and_never_above_the_payment(shop: Shop, paid: str, key: str) -> None:
    capture = (await shop.facts_of(status(paid)))[0].movement_reference
    first = await shop.swish.refund(movement(paid, f"1-{key}", 4_000, capture))
    second = await shop.swish.refund(movement(paid, f"2-{key}", 8_000))

    assert first.facts[0].references == second.facts[0].references
    with pytest.raises(GatewayRejected, match="RF08"):
        await shop.swish.refund(movement(paid, f"3-{key}", 1))


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_the_same_command_refunds_once(shop: Shop, paid: str, key: str, fault: str) -> None:
    request, before = movement(paid, key, 4_000), await shop.moved("refund")
    await shop.fail_next(fault)
    if fault == "silent_after":
        with pytest.raises(OutcomeUnknown):
            await shop.swish.refund(request)
        assert said(await shop.facts_of(status(paid, keys=(key,))))[1:] == [(FactKind.REFUND_PENDING, 4_000)]
    answer = await shop.swish.refund(request)

    assert said(answer.facts) == [(FactKind.REFUND_PENDING, 4_000)]
    assert ids((await shop.swish.refund(request)).facts) == ids(answer.facts)
    assert await shop.moved("refund") == before + 1
    with pytest.raises(GatewayRejected, match="another amount"):
        await shop.swish.refund(movement(paid, key, 5_000))


async def test_names_that_are_no_refunds_of_the_payment_are_passed_over(shop: Shop, paid: str, key: str) -> None:
    other = (await shop.swish.create_order(order_request(f"other-{key}"))).provider_reference
    await shop.pay(other)
    refund = await shop.swish.refund(movement(other, key, 4_000))
    foreign = str(refund.facts[0].movement_reference)

    facts = await shop.facts_of(status(paid, foreign, "NOWHERE", keys=(f"create-{key}", "another", key)))

    assert said(facts) == [(FactKind.CAPTURED, 12_000)]


async def test_what_is_not_paid_is_not_refunded(shop: Shop, key: str) -> None:
    reference = (await shop.swish.create_order(order_request(f"create-{key}"))).provider_reference

    with pytest.raises(GatewayRejected, match="is not paid"):
        await shop.swish.refund(movement(reference, key))


async def test_a_look_before_a_refund_that_fails_had_no_effect(key: str) -> None:
    async with fault_server(answers(201, b""), on_get=answers(503, [])) as server, shop_at(server.url) as shop:
        with pytest.raises(GatewayUnavailable):
            await shop.swish.refund(movement("AB23D7406ECE4542A80152D909EF9F6B", key))

    assert server.writes == []


async def test_a_payment_of_a_long_id_is_known_by_a_digest(shop: Shop, key: str) -> None:
    long = "e21a3c1c-0f6e-4f0e-9f0e-2c9b6a2f0d11"
    reference = (await shop.swish.create_order(order_request(key, payment_id=long))).provider_reference
    (callback,) = await shop.pay(reference)
    request = status(reference)
    own = await shop.facts_of(type(request)(payment_id=long, account="acme", provider_reference=reference))

    assert len((await shop.read("paymentrequests", reference))["payeePaymentReference"]) == 35
    assert [fact.payment_id for fact in own] == [long]
    assert [fact.payment_id for fact in await shop.facts_of(request)] == [None]
    assert [fact.payment_id for fact in shop.swish.parse_callback(callback)] == [None]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"manual_capture": True}, "manual_capture"),
        ({"currency": "EUR"}, "currency"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 10**14}, "amount_minor"),
    ],
)
async def test_what_swish_does_not_have_is_refused_before_it_is_asked(
    key: str, changes: dict[str, object], field: str
) -> None:
    async with fault_server(answers(201, b"")) as server, shop_at(server.url) as shop:
        with pytest.raises(GatewayRejected) as refusal:
            await shop.swish.create_order(order_request(key, **changes))

    assert refusal.value.field == field
    assert server.requests == []


@pytest.mark.parametrize("amount_minor", [1, 10, 99, 100, 12_345, 99_999_999_999_999])
async def test_an_amount_is_the_same_to_the_last_minor_unit(shop: Shop, key: str, amount_minor: int) -> None:
    reference = (await shop.swish.create_order(order_request(key, amount_minor=amount_minor))).provider_reference
    await shop.pay(reference)

    assert said(await shop.facts_of(status(reference))) == [(FactKind.CAPTURED, amount_minor)]


async def test_a_text_that_swish_does_not_take_is_made_fit(shop: Shop, key: str) -> None:
    text = "  Order #7 = «två» kaffe/bullar & mer " + "x" * 100
    reference = (await shop.swish.create_order(order_request(key, description=text))).provider_reference

    assert (await shop.read("paymentrequests", reference))["message"].startswith("Order 7 två kaffe bullar mer x")
    assert await shop.swish.create_order(order_request(f"2-{key}", description="#")) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"status": None},
        {"paymentReference": None},
        {"amount": "much"},
        {"currency": "EUR"},
        {"datePaid": "yesterday"},
        {"id": 7},
    ],
)
async def test_a_payment_request_that_cannot_be_read_is_unknown(change: dict[str, object]) -> None:
    payment = {"id": "A1", "status": "PAID", "paymentReference": "B1", "amount": "1.00", "currency": "SEK"}
    async with fault_server(answers(200, {**payment, **change})) as server, shop_at(server.url) as shop:
        with pytest.raises(OutcomeUnknown):
            await shop.facts_of(status("A1"))


async def test_a_state_that_is_not_known_says_nothing() -> None:
    payment = {"id": "A1", "status": "TELEPORTED", "amount": "1.00", "currency": "SEK"}
    async with fault_server(answers(200, payment)) as server, shop_at(server.url) as shop:
        answer = await shop.swish.fetch_status(status("A1"))

    assert (answer.facts, answer.amount_minor) == ((), 100)
