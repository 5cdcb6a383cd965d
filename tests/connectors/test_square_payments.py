"""Payments at the local Square: paid at once, authorized first, changed, captured, let go, refunded, read back."""

from collections.abc import AsyncIterator, Iterator

import pytest

from domain.errors import GatewayDeclined, GatewayRejected
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.gateways.serving import serving
from tests.gateways.square_shop import PAYMENT, Shop, authorization, movement, open_shop, order, told
from tests.gateways.square_state import (
    BANK,
    BANK_WITHOUT_FUNDS,
    DECLINED,
    NOT_RAISED,
    UNCHANGEABLE,
    WITHOUT_FUNDS,
    WRONG_CVV,
)


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


async def test_an_order_is_for_the_payment_and_tells_the_payers_client_what_it_needs(shop: Shop, key: str) -> None:
    answer = await shop.connector.create_order(order(key, description="Two coffees", metadata={"table": "7"}))

    stored = await shop.read(f"/v2/orders/{answer.provider_reference}")
    assert (answer.amount_minor, answer.currency, answer.facts) == (1200, "USD", ())
    assert answer.client_parameters == {
        "application_id": "sandbox-sq0idb-local",
        "location_id": "L1",
        "order_id": answer.provider_reference,
    }
    assert stored["total_money"] == {"amount": 1200, "currency": "USD"}
    assert stored["reference_id"] == PAYMENT
    assert stored["metadata"] == {"table": "7", "payment_id": PAYMENT}
    assert stored["line_items"][0]["name"] == "Two coffees"


async def test_metadata_that_square_has_no_room_for_stays_with_us(shop: Shop, key: str) -> None:
    metadata = {"no room": "x", "empty": "", "long": "x" * 256, "x" * 61: "y"} | {f"k{n}": str(n) for n in range(12)}
    metadata |= {"payment_id": "another"}

    reference = await shop.order(key, metadata=metadata)

    stored = (await shop.read(f"/v2/orders/{reference}"))["metadata"]
    assert stored == {f"k{n}": str(n) for n in range(9)} | {"payment_id": PAYMENT}


@pytest.mark.parametrize("length", [40, 41, 200])
async def test_our_id_comes_back_however_long_it_is(shop: Shop, key: str, length: int) -> None:
    payment_id = "p" * length
    reference = await shop.order(f"{key}-order", payment_id=payment_id)

    paid = await shop.connector.authorize(authorization(key, reference, payment_id=payment_id))

    fact = paid.facts[0]
    stored = await shop.read(f"/v2/payments/{fact.movement_reference}")
    assert {stored.get("reference_id"), stored.get("note")} == {payment_id, None}
    assert fact.payment_id == payment_id
    assert {each.payment_id for each in (await shop.status(reference)).facts} == {payment_id}


@pytest.mark.parametrize(("amount_minor", "currency", "location"), [(1200, "USD", "L1"), (500, "JPY", "L2")])
async def test_amounts_are_in_the_smallest_unit(
    url: str, key: str, amount_minor: int, currency: str, location: str
) -> None:
    async with open_shop(url, location_id=location) as shop:
        reference, payment = await shop.captured(key, amount_minor=amount_minor, currency=currency)
        status = await shop.status(reference)

        stored = await shop.read(f"/v2/payments/{payment}")
        assert stored["amount_money"] == {"amount": amount_minor, "currency": currency}
        assert (status.amount_minor, status.currency) == (amount_minor, currency)
        assert told(status.facts) == [(FactKind.CAPTURED, payment, amount_minor)]


async def test_another_currency_than_the_locations_is_refused(shop: Shop, key: str) -> None:
    with pytest.raises(GatewayRejected, match="CURRENCY_MISMATCH"):
        await shop.connector.create_order(order(key, currency="EUR"))


async def test_a_payment_is_authorized_and_captured_later(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key)
    assert (await shop.status(reference)).facts[0].kind is FactKind.AUTHORIZED

    answer = await shop.connector.capture(movement(key, reference, authorization_reference=payment))

    assert told(answer.facts) == [(FactKind.CAPTURED, payment, 1200)]
    assert answer.facts[0].receipt_url
    assert answer.facts[0].references == (reference, payment)
    assert (await shop.read(f"/v2/orders/{reference}"))["state"] == "COMPLETED"


@pytest.mark.parametrize("names_authorization", [True, False])
async def test_a_part_is_captured_and_the_rest_released(shop: Shop, key: str, *, names_authorization: bool) -> None:
    reference, payment = await shop.authorized(key)
    named = {"authorization_reference": payment} if names_authorization else {}

    answer = await shop.connector.capture(movement(key, reference, 700, **named))

    assert told(answer.facts) == [(FactKind.CAPTURED, payment, 700)]
    assert (await shop.read(f"/v2/payments/{payment}"))["total_money"]["amount"] == 700
    assert (await shop.read(f"/v2/orders/{reference}"))["total_money"]["amount"] == 700


async def test_an_amount_that_cannot_be_changed_is_not_captured_in_part(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key, UNCHANGEABLE)

    with pytest.raises(GatewayRejected, match="changed down") as failure:
        await shop.connector.capture(movement(key, reference, 700))

    assert failure.value.field == "amount_minor"
    assert (await shop.read(f"/v2/payments/{payment}"))["status"] == "APPROVED"
    assert told((await shop.connector.capture(movement(key, reference))).facts) == [(FactKind.CAPTURED, payment, 1200)]


async def test_what_is_captured_is_not_captured_again(shop: Shop, key: str) -> None:
    reference, payment = await shop.captured(key)
    before = await shop.movements()

    again = await shop.connector.capture(movement(key, reference))
    with pytest.raises(GatewayRejected, match="with another amount"):
        await shop.connector.capture(movement(f"{key}-other", reference, 700))

    assert told(again.facts) == [(FactKind.CAPTURED, payment, 1200)]
    assert await shop.movements() == before


async def test_nothing_is_captured_where_nothing_is_authorized(shop: Shop, key: str) -> None:
    reference = await shop.order(f"{key}-order", manual_capture=True)

    with pytest.raises(GatewayRejected, match="nothing is authorized"):
        await shop.connector.capture(movement(key, reference))


async def test_an_authorization_is_raised_and_captured_as_raised(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key)

    raised = await shop.connector.increment_authorization(movement(key, reference, 1500))
    again = await shop.connector.increment_authorization(movement(f"{key}-again", reference, 1500))
    captured = await shop.connector.capture(movement(f"{key}-capture", reference, 1500))

    assert told(raised.facts) == told(again.facts) == [(FactKind.AUTHORIZED, payment, 1500)]
    assert told(captured.facts) == [(FactKind.CAPTURED, payment, 1500)]
    assert (await shop.status(reference)).amount_minor == 1500


async def test_what_its_issuer_would_not_raise_is_captured_as_it_was(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key, NOT_RAISED)

    with pytest.raises(GatewayDeclined, match="GENERIC_DECLINE"):
        await shop.connector.increment_authorization(movement(key, reference, 1500))
    assert (await shop.read(f"/v2/orders/{reference}"))["total_money"]["amount"] == 1500

    captured = await shop.connector.capture(movement(f"{key}-capture", reference))
    assert told(captured.facts) == [(FactKind.CAPTURED, payment, 1200)]


async def test_an_amount_that_cannot_be_changed_is_not_raised(shop: Shop, key: str) -> None:
    reference, _ = await shop.authorized(key, UNCHANGEABLE)

    with pytest.raises(GatewayRejected, match="changed up"):
        await shop.connector.increment_authorization(movement(key, reference, 1500))

    assert (await shop.read(f"/v2/orders/{reference}"))["total_money"]["amount"] == 1200


async def test_an_authorization_is_let_go(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key)

    first = await shop.connector.void(movement(key, reference, authorization_reference=payment))
    again = await shop.connector.void(movement(key, reference))

    assert told(first.facts) == told(again.facts) == [(FactKind.CANCELLED, payment, None)]
    assert first.facts[0].gateway_event_id == again.facts[0].gateway_event_id
    assert told((await shop.status(reference)).facts) == [(FactKind.CANCELLED, payment, None)]


async def test_an_order_that_nobody_paid_is_given_up(shop: Shop, key: str) -> None:
    reference = await shop.order(f"{key}-order")
    with pytest.raises(GatewayDeclined):
        await shop.connector.authorize(authorization(f"{key}-authorize", reference, DECLINED))

    first = await shop.connector.void(movement(key, reference, 0))
    again = await shop.connector.void(movement(key, reference, 0))

    assert told(first.facts) == told(again.facts) == [(FactKind.CANCELLED, None, None)]
    assert first.facts[0].payment_id == PAYMENT
    assert (await shop.read(f"/v2/orders/{reference}"))["state"] == "CANCELED"
    with pytest.raises(GatewayRejected):
        await shop.connector.authorize(authorization(f"{key}-later", reference))


async def test_what_is_captured_or_pending_is_not_let_go(shop: Shop, key: str) -> None:
    captured, _ = await shop.captured(key)
    pending = await shop.order(f"{key}-pending")
    await shop.connector.authorize(authorization(f"{key}-bank", pending, BANK))

    for reference in (captured, pending):
        with pytest.raises(GatewayRejected, match="does not allow this"):
            await shop.connector.void(movement(key, reference))


@pytest.mark.parametrize(("token", "code"), [(DECLINED, "GENERIC_DECLINE"), (WRONG_CVV, "CVV_FAILURE")])
async def test_after_a_declined_card_another_one_can_pay(shop: Shop, key: str, token: str, code: str) -> None:
    reference = await shop.order(f"{key}-order")

    with pytest.raises(GatewayDeclined, match=code):
        await shop.connector.authorize(authorization(key, reference, token))
    paid = await shop.connector.authorize(authorization(f"{key}-other", reference))

    assert [fact.kind for fact in paid.facts] == [FactKind.CAPTURED]


async def test_a_payment_for_another_amount_than_the_orders_is_refused(shop: Shop, key: str) -> None:
    reference = await shop.order(f"{key}-order")

    with pytest.raises(GatewayRejected, match="does not match the order total"):
        await shop.connector.authorize(authorization(key, reference, amount_minor=1100))


async def test_a_payment_without_an_amount_is_refused_before_square_is_asked(shop: Shop, key: str) -> None:
    with pytest.raises(GatewayRejected) as failure:
        await shop.connector.authorize(authorization(key, "an-order", amount_minor=None))

    assert failure.value.field == "amount_minor"


async def test_a_token_that_nobody_made_is_refused(shop: Shop, key: str) -> None:
    reference = await shop.order(f"{key}-order")

    with pytest.raises(GatewayRejected, match="nonce not found"):
        await shop.connector.authorize(authorization(key, reference, "cnon:made-up"))


@pytest.mark.parametrize(
    ("token", "kind", "amount_minor", "reason"),
    [(BANK, FactKind.CAPTURED, 1200, None), (BANK_WITHOUT_FUNDS, FactKind.FAILED, None, "INSUFFICIENT_FUNDS")],
)
async def test_a_bank_debit_is_pending_until_it_is_settled(
    shop: Shop, key: str, token: str, kind: FactKind, amount_minor: int | None, reason: str | None
) -> None:
    reference = await shop.order(f"{key}-order")

    begun = await shop.connector.authorize(authorization(key, reference, token))
    await shop.settle()
    (fact,) = (await shop.status(reference)).facts

    assert begun.facts[0].kind is FactKind.PROCESSING
    assert (fact.kind, fact.amount_minor) == (kind, amount_minor)
    assert reason is None or str(fact.reason).startswith(reason)


@pytest.mark.parametrize("names_capture", [True, False])
async def test_a_payment_is_refunded_in_parts(shop: Shop, key: str, *, names_capture: bool) -> None:
    reference, payment = await shop.captured(key)
    named = {"capture_reference": payment} if names_capture else {}

    first = await shop.connector.refund(movement(key, reference, 400, reason="x" * 300, **named))
    second = await shop.connector.refund(movement(f"{key}-2", reference, 800, **named))
    with pytest.raises(GatewayRejected):
        await shop.connector.refund(movement(f"{key}-3", reference, 1, **named))
    await shop.settle()
    status = await shop.status(reference)

    names = [answer.facts[0].movement_reference for answer in (first, second)]
    assert [each.facts[0].kind for each in (first, second)] == [FactKind.REFUND_PENDING] * 2
    assert first.facts[0].references == (reference, payment)
    refunds = [(FactKind.REFUNDED, names[0], 400), (FactKind.REFUNDED, names[1], 800)]
    assert told(status.facts) == [
        (FactKind.CAPTURED, payment, 1200),
        *sorted(refunds, key=lambda row: str(row[1])),
    ]


async def test_without_a_capture_to_name_a_payment_with_enough_left_is_refunded(shop: Shop, key: str) -> None:
    reference, payment = await shop.captured(key)
    await shop.connector.refund(movement(key, reference, 1000))
    await shop.settle()

    with pytest.raises(GatewayRejected, match="has as much left"):
        await shop.connector.refund(movement(f"{key}-more", reference, 300))
    rest = await shop.connector.refund(movement(f"{key}-rest", reference, 200))

    assert rest.facts[0].references == (reference, payment)


async def test_a_refund_that_fails_later_is_read_back_as_failed(shop: Shop, key: str) -> None:
    reference, _ = await shop.captured(key)
    begun = await shop.connector.refund(movement(key, reference, 400, reason=WITHOUT_FUNDS))
    await shop.settle()

    status = await shop.status(reference)

    assert told(status.facts)[1:] == [(FactKind.REFUND_FAILED, begun.facts[0].movement_reference, 400)]


async def test_a_payment_is_read_back_by_either_of_its_names(shop: Shop, key: str) -> None:
    reference, payment = await shop.captured(key)

    by_order, by_payment = await shop.status(reference), await shop.status(payment, payment_id=None)

    assert by_order == by_payment
    assert by_payment.provider_reference == reference


async def test_a_name_that_square_does_not_know_is_refused(shop: Shop) -> None:
    with pytest.raises(GatewayRejected) as failure:
        await shop.status("../orders/x?y=1")

    assert failure.value.code == "not_found"


async def test_a_refund_that_the_payment_does_not_list_yet_is_read_when_it_is_known_here(shop: Shop, key: str) -> None:
    paid, _ = await shop.captured(key)
    unpaid = await shop.order(f"{key}-unpaid")
    begun = await shop.connector.refund(movement(key, paid, 400))
    refund = str(begun.facts[0].movement_reference)

    status = await shop.status(unpaid, refund_references=(refund,))

    assert told(status.facts) == [(FactKind.REFUND_PENDING, refund, 400)]


async def test_what_is_told_twice_is_one_fact(shop: Shop, key: str) -> None:
    reference, payment = await shop.authorized(key)
    captured = await shop.connector.capture(movement(key, reference))

    (read,) = (await shop.status(reference)).facts

    assert captured.facts == (read,)
    assert (read.account, read.gateway_event_id) == (ACCOUNT, f"api:{payment}:captured:1200")
