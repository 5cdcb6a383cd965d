"""The PhonePe connector against a local PhonePe: orders, what became of them, and refunds."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from connectors.base import MovementRequest, OrderRequest, RedirectRequest, StatusRequest
from connectors.phonepe.client import PhonePeConnector
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import Fact, FactKind, Trust
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.phonepe import CASES
from tests.connectors.fault_server import answers, fault_server, is_silent
from tests.gateways.phonepe_payer import IMPATIENT, Payer, connected_to

RETURN_URL = "https://shop.example/back"


@pytest.fixture
def order() -> OrderRequest:
    """An order whose payment id no other test has."""
    return OrderRequest(
        payment_id=f"payment-{secrets.token_hex(8)}",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=50000,
        currency="INR",
        return_url=RETURN_URL,
    )


@pytest.fixture
async def paid(phonepe: PhonePeConnector, phonepe_payer: Payer, order: OrderRequest) -> str:
    """The name of an order that was paid."""
    name = (await phonepe.create_order(order)).provider_reference
    await phonepe_payer.pay(name)
    return name


def movement(order: str, amount_minor: int, key: str) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=order,
        amount_minor=amount_minor,
        currency="INR",
    )


def status(order: str, refunds: Iterable[str] = (), keys: Iterable[str] = ()) -> StatusRequest:
    return StatusRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=order,
        refund_references=tuple(refunds),
        open_keys=tuple(keys),
    )


def said(facts: Iterable[Fact]) -> list[tuple[FactKind, str | None, int | None]]:
    return [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in facts]


async def test_an_order_is_named_after_the_payment_and_has_a_page(
    phonepe: PhonePeConnector, order: OrderRequest
) -> None:
    answer = await phonepe.create_order(order)

    assert answer.provider_reference == order.payment_id
    assert (answer.amount_minor, answer.currency, answer.facts) == (50000, "INR", ())
    assert list(answer.client_parameters) == ["redirect_url"]


@pytest.mark.parametrize("odd", ["x" * 200, "mit.punkt", "mandate-charge-1", "mandate-setup-1"])
async def test_a_payment_whose_id_is_no_name_there_is_told_by_what_is_echoed(
    phonepe: PhonePeConnector, phonepe_payer: Payer, order: OrderRequest, odd: str
) -> None:
    request = replace(order, payment_id=odd)
    name = (await phonepe.create_order(request)).provider_reference
    await phonepe_payer.pay(name)

    answer = await phonepe.fetch_status(status(name))

    assert name.startswith("sha256-")
    assert [fact.payment_id for fact in answer.facts] == [odd]


async def test_an_order_that_was_made_before_is_found_again_without_its_page(
    phonepe: PhonePeConnector, order: OrderRequest
) -> None:
    made = await phonepe.create_order(order)

    assert await phonepe.create_order(order) == replace(made, client_parameters={})


async def test_an_order_of_another_amount_is_not_taken_for_the_same(
    phonepe: PhonePeConnector, order: OrderRequest
) -> None:
    await phonepe.create_order(order)

    with pytest.raises(GatewayRejected, match="of another amount"):
        await phonepe.create_order(replace(order, amount_minor=50001))


async def test_an_order_made_without_an_answer_is_unknown_and_can_be_read_back(
    local_phonepe: str, phonepe_payer: Payer, phonepe: PhonePeConnector, order: OrderRequest
) -> None:
    await phonepe_payer.fail_next("silent_after")
    async with connected_to(local_phonepe, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.create_order(order)

    assert (await phonepe.create_order(order)).provider_reference == order.payment_id
    assert (await phonepe.fetch_status(status(order.payment_id))).amount_minor == 50000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda order: replace(order, return_url=None), "return_url"),
        (lambda order: replace(order, manual_capture=True), "manual_capture"),
        (lambda order: replace(order, currency="USD"), "currency"),
    ],
)
async def test_what_phonepe_cannot_do_is_refused_before_it_is_asked(
    order: OrderRequest, change: Callable[[OrderRequest], OrderRequest], field: str
) -> None:
    async with fault_server(is_silent) as nowhere, connected_to(nowhere.url) as connector:
        with pytest.raises(GatewayRejected) as refusal:
            await connector.create_order(change(order))

        assert nowhere.requests == []
    assert refusal.value.field == field


async def test_less_than_a_rupee_is_refused_by_phonepe(phonepe: PhonePeConnector, order: OrderRequest) -> None:
    with pytest.raises(GatewayRejected, match="at least 100 paisa"):
        await phonepe.create_order(replace(order, amount_minor=99))


async def test_a_payment_without_a_page_of_its_own_goes_back_to_the_accounts(
    local_phonepe: str, order: OrderRequest
) -> None:
    async with connected_to(local_phonepe, changes={"return_url": RETURN_URL}) as connector:
        answer = await connector.create_order(replace(order, return_url=None))

    assert list(answer.client_parameters) == ["redirect_url"]


async def test_an_app_gets_a_token_for_the_mobile_sdk(
    local_phonepe: str, phonepe_payer: Payer, order: OrderRequest
) -> None:
    async with connected_to(local_phonepe, changes={"mobile_sdk": True}) as connector:
        answer = await connector.create_order(replace(order, return_url=None))
        on_the_web = await connector.create_order(replace(order, payment_id=f"{order.payment_id}-web"))
        await phonepe_payer.pay(answer.provider_reference)
        facts = (await connector.fetch_status(status(answer.provider_reference))).facts

    order_id = answer.client_parameters["order_id"]
    assert answer.client_parameters == {"order_id": order_id, "token": f"order-token-of-{order_id}"}
    assert said(facts) == [(FactKind.CAPTURED, order_id, 50000)]
    assert list(on_the_web.client_parameters) == ["redirect_url"]


async def test_a_paid_order_is_captured_by_its_own_name(phonepe: PhonePeConnector, paid: str) -> None:
    answer = await phonepe.fetch_status(status(paid))

    (fact,) = answer.facts
    order_id, attempt = fact.related_references
    assert (fact.kind, fact.trust, fact.payment_id) == (FactKind.CAPTURED, Trust.SIGNED, paid)
    assert (fact.provider_reference, fact.movement_reference) == (paid, order_id)
    assert (order_id[:3], attempt[:2]) == ("OMO", "OM")
    assert (answer.amount_minor, answer.currency) == (50000, "INR")
    assert answer.facts == (await phonepe.fetch_status(status(paid))).facts


@pytest.mark.parametrize(
    ("outcome", "kinds"),
    [("failed", [FactKind.ATTEMPT_FAILED, FactKind.FAILED]), ("cancelled", [FactKind.FAILED])],
)
async def test_an_order_that_was_not_paid_has_failed(
    phonepe: PhonePeConnector, phonepe_payer: Payer, order: OrderRequest, outcome: str, kinds: list[FactKind]
) -> None:
    name = (await phonepe.create_order(order)).provider_reference
    await phonepe_payer.pay(name, outcome)

    facts = (await phonepe.fetch_status(status(name))).facts

    assert [fact.kind for fact in facts] == kinds
    assert facts[-1].reason == "ORDER_EXPIRED: ORDER_EXPIRED"


async def test_a_browser_that_comes_back_leads_to_a_look_at_the_order(phonepe: PhonePeConnector, paid: str) -> None:
    request = RedirectRequest(
        payment_id="payment-1", account=ACCOUNT, provider_reference=paid, parameters={"state": "FAILED"}
    )

    assert await phonepe.verify_redirect(request) == await phonepe.fetch_status(status(paid))


async def test_a_callback_hints_at_the_step_that_the_status_tells(phonepe: PhonePeConnector, paid: str) -> None:
    told = (await phonepe.fetch_status(status(paid))).facts[0]
    body = CASES.captured(50000, "INR", paid).replace(b"order-1", paid.encode())
    hinted = CASES.facts_of(CASES.delivery(body))[0]

    assert (hinted.kind, hinted.amount_minor, hinted.provider_reference, hinted.payment_id) == (
        told.kind,
        told.amount_minor,
        told.provider_reference,
        told.payment_id,
    )
    assert hinted.trust is Trust.HINT


async def test_an_unknown_order_is_refused(phonepe: PhonePeConnector) -> None:
    with pytest.raises(GatewayRejected, match="HTTP 404: no order no-such-order"):
        await phonepe.fetch_status(status("no-such-order"))


@pytest.mark.parametrize("name", ["../../v1/oauth/token", "a/b", "order 1", "a%2Fb", "x" * 64])
async def test_what_cannot_be_a_name_is_never_asked_for(name: str) -> None:
    async with fault_server(is_silent) as nowhere, connected_to(nowhere.url) as connector:
        with pytest.raises(GatewayRejected):
            await connector.fetch_status(status(name))

        assert nowhere.requests == []


async def test_refunds_are_accepted_first_and_followed_by_their_names(
    phonepe: PhonePeConnector, phonepe_payer: Payer, paid: str
) -> None:
    keys = [f"refund-{secrets.token_hex(8)}", f"refund:{secrets.token_hex(40)}"]
    accepted = [*(await phonepe.refund(movement(paid, 20000, keys[0]))).facts]
    accepted += (await phonepe.refund(movement(paid, 30000, keys[1]))).facts
    names = [str(fact.movement_reference) for fact in accepted]
    assert said(accepted) == [(FactKind.REFUND_PENDING, names[0], 20000), (FactKind.REFUND_PENDING, names[1], 30000)]
    assert names[0] == keys[0]
    assert {fact.provider_reference for fact in accepted} == {paid}

    await phonepe_payer.settle()
    facts = (await phonepe.fetch_status(status(paid, names))).facts

    assert said(facts)[1:] == [(FactKind.REFUNDED, names[0], 20000), (FactKind.REFUNDED, names[1], 30000)]
    assert {fact.provider_reference for fact in facts} == {paid}


async def test_what_is_not_named_is_not_found(phonepe: PhonePeConnector, paid: str, key: str) -> None:
    await phonepe.refund(movement(paid, 20000, key))

    assert [fact.kind for fact in (await phonepe.fetch_status(status(paid))).facts] == [FactKind.CAPTURED]


async def test_a_refund_above_what_is_left_is_refused(phonepe: PhonePeConnector, paid: str, key: str) -> None:
    with pytest.raises(GatewayRejected, match="above what is left"):
        await phonepe.refund(movement(paid, 50001, key))


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_a_refund_asked_for_again_moves_money_once(
    local_phonepe: str, phonepe: PhonePeConnector, phonepe_payer: Payer, paid: str, key: str, fault: str
) -> None:
    before = await phonepe_payer.moved("refund")
    await phonepe_payer.fail_next(fault)
    request = movement(paid, 20000, key)
    async with connected_to(local_phonepe, IMPATIENT) as impatient:
        if fault == "silent_after":
            with pytest.raises(OutcomeUnknown):
                await impatient.refund(request)
        else:
            assert said((await impatient.refund(request)).facts) == [(FactKind.REFUND_PENDING, key, 20000)]

    again = await phonepe.refund(request)

    assert said(again.facts) == [(FactKind.REFUND_PENDING, key, 20000)]
    assert await phonepe_payer.moved("refund") - before == 1


async def test_a_refund_of_unknown_outcome_is_found_by_its_command(
    local_phonepe: str, phonepe: PhonePeConnector, phonepe_payer: Payer, paid: str, key: str
) -> None:
    await phonepe_payer.fail_next("silent_after")
    async with connected_to(local_phonepe, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.refund(movement(paid, 20000, key))

    facts = (await phonepe.fetch_status(status(paid, keys=[key, "command-that-never-came"]))).facts

    assert said(facts)[1:] == [(FactKind.REFUND_PENDING, key, 20000)]


async def test_the_same_refund_of_another_amount_is_refused(phonepe: PhonePeConnector, paid: str, key: str) -> None:
    await phonepe.refund(movement(paid, 20000, key))

    with pytest.raises(GatewayRejected, match="was used before"):
        await phonepe.refund(movement(paid, 10000, key))


async def test_a_hint_about_another_orders_refund_says_nothing(
    phonepe: PhonePeConnector, phonepe_payer: Payer, order: OrderRequest, paid: str, key: str
) -> None:
    await phonepe.refund(movement(paid, 20000, key))
    other = (await phonepe.create_order(replace(order, payment_id=f"{paid}-other"))).provider_reference
    await phonepe_payer.pay(other)

    facts = (await phonepe.fetch_status(status(other, [key, "../../v1/oauth/token", "no-such-refund"]))).facts

    assert [fact.kind for fact in facts] == [FactKind.CAPTURED]


async def test_a_hint_of_what_cannot_be_a_name_is_never_asked_for() -> None:
    order = {"orderId": "OMO1", "state": "COMPLETED", "amount": 100}
    async with (
        fault_server(is_silent, on_get=answers(200, order), preliminary=CASES.preliminary) as server,
        connected_to(server.url) as connector,
    ):
        await connector.fetch_status(status("order-1", ["../../v1/oauth/token", "a/b", "", "refund-1"]))

        assert [read.path.partition("/v2/")[2].partition("?")[0] for read in server.reads] == [
            "order/order-1/status",
            "refund/refund-1/status",
        ]


async def test_a_refusal_that_cannot_be_checked_leaves_the_outcome_unknown(key: str) -> None:
    refusal = answers(400, CASES.error_body("merchantRefundId was used before"))
    async with (
        fault_server(refusal, on_get=answers(503, {}), preliminary=CASES.preliminary) as server,
        connected_to(server.url) as connector,
    ):
        with pytest.raises(OutcomeUnknown, match="whether it was done before is not known"):
            await connector.refund(movement("order-1", 20000, key))


async def test_an_answer_about_another_order_is_not_read() -> None:
    other = {"merchantOrderId": "order-2", "orderId": "OMO2", "state": "COMPLETED", "amount": 100}
    async with (
        fault_server(is_silent, on_get=answers(200, other), preliminary=CASES.preliminary) as server,
        connected_to(server.url) as connector,
    ):
        with pytest.raises(OutcomeUnknown):
            await connector.fetch_status(status("order-1"))
