"""The Coinbase connector at Commerce: charges, which may be found again, and what its events say."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.base import Callback, OrderRequest, PaymentLinkRequest
from connectors.coinbase.client import CoinbaseConnector
from connectors.coinbase.registration import CoinbaseCredentials
from connectors.outcomes import Timeouts
from connectors.tls import system_tls
from domain.errors import CapabilityMissing, GatewayRejected, GatewayUnavailable, MalformedPayload, OutcomeUnknown
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT, FIXTURES, SIGNED_AT, Expected
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.coinbase import API_KEY, WEBHOOK_SECRET
from tests.gateways.coinbase_payer import facts_at, link, moved, movement, order, pay, status
from tests.gateways.serving import serving

CHARGE, CODE = "6a0c1f0e-0001-4000-8000-000000000001", "66BEOV2A"
CREDENTIALS = {"api": "commerce", "api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET}
FOLDER = FIXTURES / "coinbase" / "commerce"


@pytest.fixture(scope="module")
def local_coinbase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("tests.gateways.coinbase", tmp_path_factory.mktemp("coinbase")) as url:
        yield url


@pytest.fixture
async def connector(local_coinbase: str) -> AsyncIterator[CoinbaseConnector]:
    connector = at(local_coinbase)
    yield connector
    await connector.aclose()


@pytest.fixture
async def control(local_coinbase: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=local_coinbase, verify=system_tls()) as http:
        yield http


def at(url: str, timeouts: Timeouts | None = None, **more: object) -> CoinbaseConnector:
    return CoinbaseConnector(CoinbaseCredentials.model_validate({**CREDENTIALS, "api_base": url, **more}), timeouts)


def facts_of(body: bytes) -> list[Fact]:
    signature = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    callback = Callback(
        account=ACCOUNT, body=body, headers=(("x-cc-webhook-signature", signature),), received_at=SIGNED_AT
    )
    return list(at("http://127.0.0.1:1").parse_callback(callback))


def of_charge(kind: FactKind, reason: str | None = None) -> Expected:
    return Expected(kind=kind, reference=CHARGE, related=(CODE,), reason=reason)


PAID = replace(of_charge(FactKind.CAPTURED), movement=CHARGE, amount_minor=1099, currency="USD")

SAMPLES: dict[str, Expected] = {
    "charge_created": of_charge(FactKind.IGNORED, "the charge waits for the payer"),
    "charge_pending": of_charge(FactKind.PROCESSING),
    "charge_pending.signed": of_charge(FactKind.PROCESSING),
    "charge_confirmed": PAID,
    "charge_failed": of_charge(FactKind.FAILED, "FAILED"),
    "charge_failed.expired": of_charge(FactKind.CANCELLED, "EXPIRED"),
    "charge_failed.canceled": of_charge(FactKind.CANCELLED, "CANCELED"),
    "charge_failed.underpaid": of_charge(
        FactKind.IGNORED, "the charge is unresolved, which a person has to look at: UNDERPAID"
    ),
    "charge_delayed": of_charge(FactKind.IGNORED, "the charge is unresolved, which a person has to look at: DELAYED"),
    "charge_resolved": of_charge(FactKind.IGNORED, "the charge was resolved by a person: UNDERPAID"),
    "charge_confirmed.without_price": of_charge(FactKind.IGNORED, "the charge has no fixed price"),
    "charge_failed.unknown_status": of_charge(FactKind.IGNORED, "unmapped status MISLAID"),
    "invoice_paid": Expected(kind=FactKind.IGNORED, reference=CHARGE, reason="unmapped event type invoice:paid"),
}


def test_every_sample_of_commerce_has_a_row_and_every_row_a_sample() -> None:
    assert {path.name.removesuffix(".json") for path in FOLDER.glob("*.json")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_of_commerce_becomes_the_fact_of_its_row(name: str) -> None:
    body = (FOLDER / f"{name}.json").read_bytes()

    (fact,) = facts_of(body)

    assert Expected.of(fact) == SAMPLES[name]
    assert fact.gateway_event_id == "24934862-d980-46cb-9402-43c81b0cdba6"
    assert fact.occurred_at == datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
    assert facts_of(body) == [fact]


def with_price(amount: object, currency: str) -> bytes:
    event = json.loads((FOLDER / "charge_confirmed.json").read_bytes())
    event["event"]["data"]["pricing"]["local"] = {"amount": amount, "currency": currency}
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("amount", "currency", "amount_minor"),
    [("10.99", "USD", 1099), ("10.9", "EUR", 1090), ("1200", "JPY", 1200), ("1.234", "KWD", 1234), ("7", "GBP", 700)],
)
def test_prices_of_commerce_become_iso_minor_units(amount: str, currency: str, amount_minor: int) -> None:
    (fact,) = facts_of(with_price(amount, currency))

    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, amount_minor, currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("-1", "USD"), ("1.001", "USD"), ("1.5", "JPY"), (12, "USD"), (None, "USD"), ("0.0001", "BTC"), ("1", "USDC")],
)
def test_what_cannot_be_money_is_malformed(amount: object, currency: str) -> None:
    with pytest.raises(MalformedPayload):
        facts_of(with_price(amount, currency))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"event":[]}',
        b'{"event":{"id":"1","type":"charge:confirmed","created_at":"2026-01-02T03:00:00Z","data":{"id":"c"}}}',
        b'{"event":{"id":"1","type":"charge:confirmed","created_at":"2026-01-02T03:00:00","data":{"id":"c"}}}',
        b'{"event":{"id":"1","type":"charge:confirmed","data":{"id":"c","timeline":[{"status":"COMPLETED"}]}}}',
    ],
)
def test_a_proven_body_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        facts_of(body)


async def test_a_charge_is_created_paid_and_read_back(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    created = await connector.create_order(order(key))

    assert (created.facts, created.amount_minor, created.currency) == ((), 1099, "USD")
    assert created.client_parameters == {
        "redirect_url": f"https://commerce.coinbase.com/pay/{created.provider_reference}"
    }
    await pay(control, created.provider_reference, "paid")
    (fact,) = await facts_at(connector, created.provider_reference)
    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, 1099, "USD")
    assert (fact.movement_reference, fact.payment_id) == (created.provider_reference, f"payment-of-{key}")
    by_code = await connector.fetch_status(status(fact.related_references[0]))
    assert (by_code.provider_reference, by_code.facts) == (created.provider_reference, (fact,))


@pytest.mark.parametrize(("outcome", "kind"), [("failed", FactKind.FAILED), ("cancelled", FactKind.CANCELLED)])
async def test_a_charge_that_is_not_paid_moves_no_money(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str, outcome: str, kind: FactKind
) -> None:
    created = await connector.create_order(order(key))

    await pay(control, created.provider_reference, outcome)

    assert [fact.kind for fact in await facts_at(connector, created.provider_reference)] == [kind]


async def test_the_same_command_again_finds_its_charge(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    before = await moved(control, "charge")

    first, second = await connector.create_order(order(key)), await connector.create_order(order(key))
    other = await connector.create_order(order(f"{key}-other"))

    assert first == second
    assert other.provider_reference != first.provider_reference
    assert await moved(control, "charge") == before + 2


async def test_a_charge_whose_answer_was_lost_is_found_again(
    local_coinbase: str, control: httpx.AsyncClient, key: str
) -> None:
    before = await moved(control, "charge")
    impatient = at(local_coinbase, Timeouts(read_seconds=0.5, total_seconds=1.0))
    await control.post("/_control/faults/silent_after")

    with pytest.raises(OutcomeUnknown):
        await impatient.create_order(order(key))
    found = await impatient.create_order(order(key))
    await impatient.aclose()

    assert found.amount_minor == 1099
    assert await moved(control, "charge") == before + 1


async def test_without_the_look_up_nothing_is_created() -> None:
    async with fault_server(answers(500, {})) as server:
        connector = at(server.url)
        with pytest.raises(GatewayUnavailable):
            await connector.create_order(order("command-1"))
        await connector.aclose()

    assert [request.method for request in server.requests] == ["GET"]


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": {"id": "c"}}, {"data": []}])
async def test_a_charge_that_cannot_be_read_is_an_unknown_outcome(body: object) -> None:
    async with fault_server(answers(200, body), on_get=answers(200, {"data": []})) as server:
        connector = at(server.url)
        with pytest.raises(OutcomeUnknown):
            await connector.create_order(order("command-1"))
        await connector.aclose()

    assert len(server.writes) == 1


async def test_a_charge_is_cancelled_until_it_is_paid(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    unpaid, paid = await connector.create_order(order(key)), await connector.create_order(order(f"{key}-paid"))
    await pay(control, paid.provider_reference, "paid")

    (fact,) = (await connector.void(movement(unpaid.provider_reference, "command-2"))).facts

    assert (fact.kind, fact.reason) == (FactKind.CANCELLED, "CANCELED")
    with pytest.raises(GatewayRejected, match="only a new charge"):
        await connector.void(movement(paid.provider_reference, "command-2"))


async def test_commerce_gives_nothing_back(connector: CoinbaseConnector) -> None:
    with pytest.raises(CapabilityMissing):
        await connector.refund(movement(CHARGE, "command-2"))


async def test_a_link_is_a_charge_and_can_be_cancelled_twice(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    made = await connector.create_payment_link(link(key))

    assert made.url == f"https://commerce.coinbase.com/pay/{made.provider_reference}"
    await connector.cancel_payment_link(made.provider_reference)
    await connector.cancel_payment_link(made.provider_reference)
    assert [fact.kind for fact in await facts_at(connector, made.provider_reference)] == [FactKind.CANCELLED]
    paid = await connector.create_payment_link(link(f"{key}-paid"))
    await pay(control, paid.provider_reference, "paid")
    with pytest.raises(GatewayRejected):
        await connector.cancel_payment_link(paid.provider_reference)


@pytest.mark.parametrize(
    ("request_of_a_link", "field"),
    [(link("1", reusable=True), "reusable"), (link("1", expires_at=SIGNED_AT + timedelta(days=1)), "expires_at")],
)
async def test_links_that_commerce_does_not_have_are_refused(request_of_a_link: PaymentLinkRequest, field: str) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await at("http://127.0.0.1:1").create_payment_link(request_of_a_link)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("request_of_an_order", "field"),
    [(order("1", manual_capture=True), "manual_capture"), (order("1", currency="KWD"), "currency")],
)
async def test_orders_that_commerce_does_not_take_are_refused(request_of_an_order: OrderRequest, field: str) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await at("http://127.0.0.1:1").create_order(request_of_an_order)

    assert refusal.value.field == field


async def test_another_key_is_refused_and_not_told(local_coinbase: str) -> None:
    connector = at(local_coinbase, api_key="a-key-of-somebody-else")

    with pytest.raises(GatewayRejected) as refusal:
        await connector.fetch_status(status(CHARGE))
    await connector.aclose()

    assert refusal.value.code == "credentials_refused"
    assert "somebody" not in refusal.value.message
