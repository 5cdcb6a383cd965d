"""What is done with an order at Klarna: captures, refunds, cancellations and raises, each once for its key."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import pytest

from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from domain.facts import Fact, FactKind
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.klarna_payer import IMPATIENT, Shop, movement, order_request, shop_at, status
from tests.gateways.serving import serving


@dataclass(frozen=True, slots=True)
class Order:
    """An authorized order of 120 kronor, and the payment's name."""

    reference: str
    order_id: str


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
async def order(shop: Shop, key: str) -> Order:
    """An order that a payer has paid on Klarna's page."""
    reference = (await shop.klarna.create_order(order_request(f"create-{key}"))).provider_reference
    await shop.pay(reference)
    (fact,) = await shop.facts_of(status(reference))
    return Order(reference, str(fact.movement_reference))


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in facts]


def ids(facts: tuple[Fact, ...]) -> list[str]:
    return [fact.gateway_event_id for fact in facts]


async def test_an_order_is_captured_in_parts_which_the_order_lists(shop: Shop, order: Order, key: str) -> None:
    first = await shop.klarna.capture(movement(order.reference, f"1-{key}", 5_000, order.order_id))
    second = await shop.klarna.capture(movement(order.reference, f"2-{key}", 7_000, order.order_id))
    read = await shop.facts_of(status(order.reference))

    assert said(read) == [(FactKind.AUTHORIZED, 12_000), (FactKind.CAPTURED, 5_000), (FactKind.CAPTURED, 7_000)]
    assert ids(read[1:]) == ids(first.facts + second.facts)
    assert [fact.references for fact in first.facts] == [(order.reference, order.order_id)]
    with pytest.raises(GatewayDeclined, match="CAPTURE_NOT_ALLOWED"):
        await shop.klarna.capture(movement(order.reference, f"3-{key}", 1, order.order_id))


async def test_an_order_whose_id_is_not_known_is_found_by_its_page(shop: Shop, order: Order, key: str) -> None:
    answer = await shop.klarna.capture(movement(order.reference, key))

    assert said(answer.facts) == [(FactKind.CAPTURED, 12_000)]
    assert answer.facts[0].references == (order.reference, order.order_id)


async def test_a_payment_that_is_its_order_needs_no_page(shop: Shop, order: Order, key: str) -> None:
    await shop.klarna.capture(movement(order.order_id, f"1-{key}"))
    answer = await shop.klarna.refund(movement(order.order_id, f"2-{key}", 3_000))

    assert said(answer.facts) == [(FactKind.REFUNDED, 3_000)]
    assert answer.facts[0].references == (order.order_id,)


async def test_a_page_that_nobody_paid_on_has_nothing_to_capture(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference

    with pytest.raises(GatewayRejected, match="no order to capture"):
        await shop.klarna.capture(movement(reference, key))


async def test_refunds_are_made_in_parts_and_never_above_what_was_captured(shop: Shop, order: Order, key: str) -> None:
    await shop.klarna.capture(movement(order.reference, f"1-{key}", 12_000, order.order_id))
    first = await shop.klarna.refund(movement(order.reference, f"2-{key}", 4_000, order.order_id))
    second = await shop.klarna.refund(movement(order.reference, f"3-{key}", 8_000, order.order_id))
    read = await shop.facts_of(status(order.reference))

    assert said(read[2:]) == [(FactKind.REFUNDED, 4_000), (FactKind.REFUNDED, 8_000)]
    assert ids(read[2:]) == ids(first.facts + second.facts)
    assert (await shop.order(order.order_id))["refunds"][0]["description"] == "the size was wrong"
    with pytest.raises(GatewayDeclined, match="REFUND_NOT_ALLOWED"):
        await shop.klarna.refund(movement(order.reference, f"4-{key}", 1, order.order_id))


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_the_same_key_captures_and_refunds_once(shop: Shop, order: Order, key: str, fault: str) -> None:
    captured, refunded = await shop.moved("capture"), await shop.moved("refund")
    for operation, name, amount_minor in ((shop.klarna.capture, "c", 12_000), (shop.klarna.refund, "r", 5_000)):
        request = movement(order.reference, f"{name}-{key}", amount_minor, order.order_id)
        await shop.fail_next(fault)
        if fault == "silent_after":
            with pytest.raises(OutcomeUnknown):
                await operation(request)
        answer = await operation(request)
        assert ids((await operation(request)).facts) == ids(answer.facts)

    assert (await shop.moved("capture"), await shop.moved("refund")) == (captured + 1, refunded + 1)


async def test_a_refused_attempt_has_no_effect_and_may_be_made_again(shop: Shop, order: Order, key: str) -> None:
    request = movement(order.reference, key, 12_000, order.order_id)
    await shop.fail_next("error_before")
    with pytest.raises(OutcomeUnknown):
        await shop.klarna.capture(request)

    assert said((await shop.klarna.capture(request)).facts) == [(FactKind.CAPTURED, 12_000)]


async def test_an_order_is_cancelled_and_says_so_when_it_is_read(shop: Shop, order: Order, key: str) -> None:
    request = movement(order.reference, key, 12_000, order.order_id)
    answer = await shop.klarna.void(request)

    assert said(answer.facts) == [(FactKind.CANCELLED, None)]
    assert ids(await shop.facts_of(status(order.reference))) == ids(answer.facts)
    assert ids((await shop.klarna.void(request)).facts) == ids(answer.facts)


async def test_what_is_left_of_a_captured_order_is_released(shop: Shop, order: Order, key: str) -> None:
    await shop.klarna.capture(movement(order.reference, f"1-{key}", 5_000, order.order_id))
    answer = await shop.klarna.void(movement(order.reference, f"2-{key}", 12_000))

    assert answer.facts == ()
    assert (await shop.order(order.order_id))["remaining_authorized_amount"] == 0
    assert said(await shop.facts_of(status(order.reference)))[1:] == [(FactKind.CAPTURED, 5_000)]


async def test_a_page_that_nobody_paid_on_is_closed(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    answer = await shop.klarna.void(movement(reference, key))

    assert said(answer.facts) == [(FactKind.CANCELLED, None)]
    assert ids(await shop.facts_of(status(reference))) == ids(answer.facts)


async def test_a_look_before_a_cancellation_that_fails_had_no_effect(key: str) -> None:
    async with fault_server(answers(204, b""), on_get=answers(503, {})) as server, shop_at(server.url) as shop:
        with pytest.raises(GatewayUnavailable):
            await shop.klarna.void(movement("page-1~session-1", key, 12_000, "order-1"))

    assert server.writes == []


async def test_an_order_is_raised_as_far_as_klarna_takes_the_risk(shop: Shop, order: Order, key: str) -> None:
    request = movement(order.reference, key, 15_000, order.order_id)
    answer = await shop.klarna.increment_authorization(request)

    assert said(answer.facts) == [(FactKind.AUTHORIZED, 15_000)]
    assert ids(await shop.facts_of(status(order.reference))) == ids(answer.facts)
    with pytest.raises(GatewayDeclined, match="NOT_ALLOWED"):
        await shop.klarna.increment_authorization(replace(request, idempotency_key=f"2-{key}", amount_minor=10**7))


@pytest.mark.parametrize("body", [b"", {"capture_id": "capture-1"}])
async def test_a_success_that_names_no_capture_is_unknown(body: object, key: str) -> None:
    async with fault_server(answers(201, body)) as server, shop_at(server.url) as shop:
        with pytest.raises(OutcomeUnknown):
            await shop.klarna.capture(movement("page-1~session-1", key, 12_000, "order-1"))


@pytest.mark.parametrize(
    "change",
    [
        {"captures": []},
        {"captures": [{"captured_amount": 500}]},
        {"captures": [{"capture_id": "capture-1", "captured_amount": "500"}]},
        {"captures": [{"capture_id": "capture-1", "captured_amount": 500, "captured_at": "yesterday"}]},
        {"order_amount": -1},
        {"purchase_currency": "XXX"},
        {"order_id": None},
        {"status": None},
    ],
)
async def test_an_order_that_cannot_be_read_is_unknown(change: dict[str, object]) -> None:
    order = {
        "order_id": "order-1",
        "status": "PART_CAPTURED",
        "fraud_status": "ACCEPTED",
        "purchase_currency": "sek",
        "order_amount": 12_000,
        "captured_amount": 500,
        "captures": [{"capture_id": "capture-1", "captured_amount": 500}],
    }
    async with fault_server(answers(200, {**order, **change})) as server, shop_at(server.url) as shop:
        with pytest.raises(OutcomeUnknown):
            await shop.facts_of(status("page-1~session-1", "order-1"))


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"status": "CLOSED"}, [FactKind.CAPTURED]),
        ({"status": "EXPIRED"}, [FactKind.CAPTURED]),
        ({"status": "CAPTURED"}, [FactKind.AUTHORIZED, FactKind.CAPTURED]),
        ({"status": "ON_THE_MOON"}, [FactKind.CAPTURED]),
        ({"status": "EXPIRED", "captured_amount": 0, "captures": []}, [FactKind.CANCELLED]),
        ({"status": "CANCELLED", "captured_amount": 0, "captures": []}, [FactKind.CANCELLED]),
        ({"status": "ON_THE_MOON", "captured_amount": 0, "captures": []}, []),
        ({"status": "CLOSED", "captured_amount": 0, "captures": []}, []),
        ({"fraud_status": "REJECTED", "captured_amount": 0, "captures": []}, [FactKind.FAILED]),
        ({"fraud_status": "REJECTED"}, [FactKind.AUTHORIZED, FactKind.CAPTURED]),
    ],
)
async def test_every_state_of_an_order_says_what_happened(change: dict[str, object], kinds: list[FactKind]) -> None:
    order = {
        "order_id": "order-1",
        "status": "PART_CAPTURED",
        "fraud_status": "ACCEPTED",
        "purchase_currency": "SEK",
        "order_amount": 12_000,
        "captured_amount": 500,
        "captures": [{"capture_id": "capture-1", "captured_amount": 500}],
        "merchant_data": "another shop's",
    }
    async with fault_server(answers(200, {**order, **change})) as server, shop_at(server.url) as shop:
        facts = await shop.facts_of(status("page-1~session-1", "order-1"))

    assert [fact.kind for fact in facts] == kinds
    assert all(fact.payment_id is None for fact in facts)
