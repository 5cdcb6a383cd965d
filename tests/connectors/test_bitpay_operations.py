"""The BitPay connector against a local BitPay: invoices, cancellations, refunds, and what is read back."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.base import MovementRequest, OrderRequest, StatusRequest
from connectors.bitpay.api import guid_of
from connectors.bitpay.client import BitPayConnector
from connectors.bitpay.registration import BitPayCredentials
from connectors.bitpay.status import read_number
from connectors.outcomes import Timeouts
from connectors.payloads import parse_object
from connectors.tls import system_tls
from domain.errors import GatewayRejected, GatewayUnavailable, MalformedPayload, OutcomeUnknown
from domain.facts import Fact, FactKind, Trust
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.bitpay import CASES, INVOICE, OVER, REFUND
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.bitpay import MERCHANT_TOKEN, POS_TOKEN, PRIVATE_KEY
from tests.gateways.serving import serving

IMPATIENT = Timeouts(read_seconds=0.5, total_seconds=1.0)


@pytest.fixture(scope="module")
def local_bitpay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("tests.gateways.bitpay", tmp_path_factory.mktemp("bitpay")) as url:
        yield url


@pytest.fixture
async def connector(local_bitpay: str) -> AsyncIterator[BitPayConnector]:
    connector = at(local_bitpay)
    yield connector
    await connector.aclose()


@pytest.fixture
async def control(local_bitpay: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=local_bitpay, verify=system_tls()) as http:
        yield http


def at(url: str, timeouts: Timeouts | None = None, more: Mapping[str, object] | None = None) -> BitPayConnector:
    values = {
        "pos_token": POS_TOKEN,
        "merchant_token": MERCHANT_TOKEN,
        "private_key": PRIVATE_KEY,
        # Nobody takes the callbacks here; what is posted is looked at elsewhere.
        "callback_url": f"{url}/nowhere",
        "api_base": url,
        **(more or {}),
    }
    return BitPayConnector(BitPayCredentials.model_validate(values), timeouts)


def order(key: str, *, amount_minor: int = 1099, currency: str = "USD", manual_capture: bool = False) -> OrderRequest:
    return OrderRequest(
        payment_id=f"payment-of-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        amount_minor=amount_minor,
        currency=currency,
        manual_capture=manual_capture,
        description="Two coffees",
        return_url="https://shop.example/back",
    )


def movement(reference: str, key: str, amount_minor: int = 500, currency: str = "USD") -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        capture_reference=reference,
        amount_minor=amount_minor,
        currency=currency,
    )


async def facts_at(connector: BitPayConnector, reference: str) -> tuple[Fact, ...]:
    request = StatusRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference)
    return (await connector.fetch_status(request)).facts


def told(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None, str | None]]:
    return [(fact.kind, fact.amount_minor, fact.currency) for fact in facts]


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(CASES.sample(name))
    data: dict[str, Any] = event["data"]
    return data


async def pay(control: httpx.AsyncClient, reference: str, outcome: str = "paid") -> None:
    (await control.post(f"/_control/pay/{reference}", json={"outcome": outcome})).raise_for_status()


async def moved(control: httpx.AsyncClient, kind: str) -> int:
    return int((await control.get("/_control/movements")).json().get(kind, 0))


@pytest.mark.parametrize(("amount_minor", "currency"), [(1099, "USD"), (1200, "JPY"), (1, "EUR"), (123_456_789, "GBP")])
async def test_an_invoice_is_created_paid_and_read_back(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str, amount_minor: int, currency: str
) -> None:
    created = await connector.create_order(order(key, amount_minor=amount_minor, currency=currency))

    assert (created.facts, created.amount_minor, created.currency) == ((), amount_minor, currency)
    assert created.client_parameters == {"redirect_url": f"https://bitpay.com/invoice?id={created.provider_reference}"}
    await pay(control, created.provider_reference)
    (fact,) = await facts_at(connector, created.provider_reference)
    assert told((fact,)) == [(FactKind.CAPTURED, amount_minor, currency)]
    assert (fact.movement_reference, fact.payment_id) == (created.provider_reference, f"payment-of-{key}")
    assert fact.trust is Trust.SIGNED


@pytest.mark.parametrize(("outcome", "kind"), [("failed", FactKind.FAILED), ("cancelled", FactKind.CANCELLED)])
async def test_an_invoice_that_is_not_paid_moves_no_money(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str, outcome: str, kind: FactKind
) -> None:
    created = await connector.create_order(order(key))

    await pay(control, created.provider_reference, outcome)

    assert told(await facts_at(connector, created.provider_reference)) == [(kind, None, None)]


async def test_the_same_key_again_finds_its_invoice(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str
) -> None:
    before = await moved(control, "invoice")

    first, second = await connector.create_order(order(key)), await connector.create_order(order(key))

    assert first == second
    assert await moved(control, "invoice") == before + 1


async def test_an_invoice_whose_answer_was_lost_is_found_again(
    local_bitpay: str, control: httpx.AsyncClient, key: str
) -> None:
    before, connector = await moved(control, "invoice"), at(local_bitpay, IMPATIENT)
    await control.post("/_control/faults/silent_after")

    with pytest.raises(OutcomeUnknown):
        await connector.create_order(order(key))
    found = await connector.create_order(order(key))
    await connector.aclose()

    assert found.amount_minor == 1099
    assert await moved(control, "invoice") == before + 1


async def test_refunds_are_pending_until_they_are_sent(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str
) -> None:
    reference = (await connector.create_order(order(key))).provider_reference
    await pay(control, reference)

    (first,) = (await connector.refund(movement(reference, f"{key}-1", 500))).facts
    (second,) = (await connector.refund(movement(reference, f"{key}-2", 599))).facts
    pending = await facts_at(connector, reference)
    await control.post("/_control/settle")
    done = await facts_at(connector, reference)

    assert told((first, second)) == [(FactKind.REFUND_PENDING, 500, "USD"), (FactKind.REFUND_PENDING, 599, "USD")]
    assert told(pending) == [(FactKind.CAPTURED, 1099, "USD"), *told((first, second))]
    assert told(done) == [
        (FactKind.CAPTURED, 1099, "USD"),
        (FactKind.REFUNDED, 500, "USD"),
        (FactKind.REFUNDED, 599, "USD"),
    ]
    assert [fact.movement_reference for fact in done[1:]] == [first.movement_reference, second.movement_reference]


async def test_more_than_is_left_is_not_refunded(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str
) -> None:
    reference = (await connector.create_order(order(key))).provider_reference
    with pytest.raises(GatewayRejected, match="the invoice is new"):
        await connector.refund(movement(reference, f"{key}-early"))
    await pay(control, reference)
    await connector.refund(movement(reference, f"{key}-1", 1000))

    with pytest.raises(GatewayRejected, match="more than is left"):
        await connector.refund(movement(reference, f"{key}-2", 100))


async def test_a_refund_whose_answer_was_lost_is_found_again_and_seen(
    local_bitpay: str, control: httpx.AsyncClient, key: str
) -> None:
    connector = at(local_bitpay, IMPATIENT)
    reference = (await connector.create_order(order(key))).provider_reference
    await pay(control, reference)
    before = await moved(control, "refund")
    await control.post("/_control/faults/silent_after")

    with pytest.raises(OutcomeUnknown):
        await connector.refund(movement(reference, f"{key}-1"))
    seen = await facts_at(connector, reference)
    (again,) = (await connector.refund(movement(reference, f"{key}-1"))).facts
    await connector.aclose()

    assert told(seen) == [(FactKind.CAPTURED, 1099, "USD"), (FactKind.REFUND_PENDING, 500, "USD")]
    assert again.movement_reference == seen[1].movement_reference
    assert await moved(control, "refund") == before + 1


async def test_an_invoice_is_cancelled_until_it_is_paid(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str
) -> None:
    unpaid = (await connector.create_order(order(key))).provider_reference
    paid = (await connector.create_order(order(f"{key}-paid"))).provider_reference
    await pay(control, paid)

    (fact,) = (await connector.void(movement(unpaid, f"{key}-void"))).facts

    assert fact.kind is FactKind.CANCELLED
    with pytest.raises(GatewayRejected, match="the invoice is complete"):
        await connector.void(movement(paid, f"{key}-void"))


async def test_without_a_merchant_token_invoices_are_made_and_read_but_not_given_back(
    local_bitpay: str, control: httpx.AsyncClient, key: str
) -> None:
    connector = at(local_bitpay, more={"merchant_token": None, "private_key": None})
    reference = (await connector.create_order(order(key))).provider_reference
    await pay(control, reference)

    assert told(await facts_at(connector, reference)) == [(FactKind.CAPTURED, 1099, "USD")]
    for operation in (connector.refund, connector.void):
        with pytest.raises(GatewayRejected) as refusal:
            await operation(movement(reference, f"{key}-1"))
        assert refusal.value.field == "merchant_token"
    await connector.aclose()


@pytest.mark.parametrize(
    "more",
    [
        {"pos_token": "a-token-of-somebody-else"},
        {"merchant_token": "a-token-of-somebody-else"},
        {"private_key": "1" * 64},
    ],
)
async def test_other_credentials_are_refused_and_not_told(
    local_bitpay: str, connector: BitPayConnector, control: httpx.AsyncClient, key: str, more: dict[str, str]
) -> None:
    reference = (await connector.create_order(order(key))).provider_reference
    await pay(control, reference)
    other = at(local_bitpay, more=more)

    with pytest.raises(GatewayRejected) as refusal:
        await facts_at(other, reference)
    await other.aclose()

    assert refusal.value.code == "credentials_refused"
    assert "somebody" not in refusal.value.message


async def test_an_error_that_http_calls_a_success_is_a_refusal() -> None:
    for body in (
        {"status": "error", "message": "not this"},
        {"error": "not this"},
        {"errors": [{"error": "not this"}]},
    ):
        async with fault_server(answers(200, body)) as server:
            connector = at(server.url)
            with pytest.raises(GatewayRejected, match="not this"):
                await connector.create_order(order("command-1"))
            await connector.aclose()
        assert len(server.writes) == 1


async def test_without_the_look_up_nothing_is_refunded() -> None:
    async with fault_server(answers(500, {})) as server:
        connector = at(server.url)
        with pytest.raises(GatewayUnavailable):
            await connector.refund(movement(INVOICE, "command-2"))
        await connector.aclose()

    assert [request.path.partition("?")[0] for request in server.requests] == [f"/refunds/guid/{guid_of('command-2')}"]


def answered(invoice: dict[str, Any], refunds: list[dict[str, Any]]) -> dict[str, object]:
    return {
        "/invoices/": {"facade": "pos/invoice", "data": invoice},
        "/refunds?": {"facade": "merchant/refund", "data": refunds},
    }


async def test_what_bitpay_gives_back_of_itself_is_not_the_payments() -> None:
    own = [
        sample("refund_success.overpayment") | {"type": kind} for kind in ("overpayment", "underpayment", "declined")
    ]
    preliminary = answered(sample("invoice_confirmed.over"), [*own, sample("refund_success")])
    async with fault_server(answers(500, {}), preliminary=preliminary) as server:
        connector = at(server.url)
        facts = await facts_at(connector, INVOICE)
        await connector.aclose()

    assert told(facts) == [(FactKind.CAPTURED, 1099, "USD"), (FactKind.REFUNDED, 500, "USD")]
    assert facts[0].reason == OVER
    assert (facts[1].movement_reference, facts[1].payment_id) == (REFUND, "payment-1")


@pytest.mark.parametrize(
    "name", ["invoice_paidInFull", "invoice_expired", "invoice_expired.partial", "invoice_declined"]
)
async def test_an_answer_and_a_callback_about_the_same_say_the_same(name: str) -> None:
    (hint,) = CASES.facts_of(CASES.delivery(CASES.sample(name)))
    async with fault_server(answers(500, {}), preliminary=answered(sample(name), [])) as server:
        connector = at(server.url)
        (read,) = await facts_at(connector, INVOICE)
        await connector.aclose()

    same = ("kind", "provider_reference", "movement_reference", "amount_minor", "currency", "payment_id", "reason")
    assert [getattr(read, field) for field in same] == [getattr(hint, field) for field in same]
    assert (read.trust, hint.trust) == (Trust.SIGNED, Trust.HINT)


async def test_money_happened_when_it_was_seen_not_when_it_was_read() -> None:
    seen = [{"receivedTime": f"2026-01-02T02:5{minute}:00.000Z", "amount": 1} for minute in (1, 7, 3)]
    invoice = sample("invoice_confirmed") | {"transactions": seen}
    async with fault_server(answers(500, {}), preliminary=answered(invoice, [])) as server:
        connector = at(server.url)
        (fact,) = await facts_at(connector, INVOICE)
        await connector.aclose()

    assert fact.occurred_at.isoformat() == "2026-01-02T02:57:00+00:00"


async def test_manual_capture_is_refused() -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await at("http://127.0.0.1:1").create_order(order("command-1", manual_capture=True))

    assert refusal.value.field == "manual_capture"


async def test_a_payment_id_that_is_too_long_for_an_order_is_echoed_all_the_same(
    connector: BitPayConnector, control: httpx.AsyncClient, key: str
) -> None:
    payment_id = key + "p" * (200 - len(key))

    reference = (await connector.create_order(replace(order(key), payment_id=payment_id))).provider_reference
    await pay(control, reference)

    assert [fact.payment_id for fact in await facts_at(connector, reference)] == [payment_id]


def test_what_was_paid_in_coins_is_never_read_and_prices_are_never_rounded() -> None:
    text = '{"price":90071992547409.93,"currency":"USD","paymentTotals":{"ETH":4210000000000000123456}}'
    invoice = parse_object(text)

    assert read_number(invoice["price"], "USD") == (9_007_199_254_740_993, "USD")
    assert invoice["paymentTotals"]["ETH"] == 4_210_000_000_000_000_123_456
    for amount in (10.99, "10.99", Decimal("1E+40"), Decimal("1E-40"), Decimal("10.999"), -1, True, None):
        with pytest.raises(MalformedPayload):
            read_number(amount, "USD")


def test_an_idempotency_key_becomes_a_guid_of_its_own() -> None:
    assert guid_of("command-1") == "e12c157c-0051-4399-96ec-b3c03a191d6d"
    assert guid_of("command-2") != guid_of("command-1")
