"""The Coinbase connector at Business: checkouts, their refunds, and links, against a local Coinbase."""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.base import OrderRequest
from connectors.coinbase.business import key_of
from connectors.coinbase.client import CoinbaseConnector
from connectors.coinbase.registration import CoinbaseCredentials
from connectors.coinbase.tokens import make_token, read_key
from connectors.outcomes import Timeouts
from connectors.tls import system_tls
from domain.errors import GatewayRejected, MalformedPayload, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.cases.coinbase import CASES, CHECKOUT, LINK, REFUND
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.coinbase import CDP_KEY_ID, CDP_PRIVATE_KEY
from tests.gateways.coinbase_payer import facts_at, link, moved, movement, order, pay, told
from tests.gateways.serving import serving

NOT_FOUND = {"errorType": "not_found", "errorMessage": "no such checkout"}
IMPATIENT = Timeouts(read_seconds=0.5, total_seconds=1.0)


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


def at(url: str, timeouts: Timeouts | None = None, more: Mapping[str, object] | None = None) -> CoinbaseConnector:
    values = {**CASES.credentials, "api_base": url, **(more or {})}
    return CoinbaseConnector(CoinbaseCredentials.model_validate(values), timeouts)


async def closing_time(url: str, reference: str) -> datetime:
    path = f"/api/v1/checkouts/{reference}"
    host, key = url.removeprefix("http://"), read_key(CDP_PRIVATE_KEY)
    token = make_token(CDP_KEY_ID, key, "GET", host, path, int(time.time()))
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, verify=system_tls()
    ) as http:
        return datetime.fromisoformat((await http.get(path)).json()["expiresAt"])


def sample(name: str) -> dict[str, Any]:
    checkout: dict[str, Any] = json.loads(CASES.sample(name))
    return checkout


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "SGD"])
async def test_a_checkout_is_created_paid_and_read_back(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str, currency: str
) -> None:
    created = await connector.create_order(order(key, currency=currency))

    assert (created.facts, created.amount_minor, created.currency) == ((), 1099, currency)
    assert created.client_parameters["redirect_url"].startswith("https://payments.coinbase.com/payment-links/pl_")
    await pay(control, created.provider_reference)
    (fact,) = await facts_at(connector, created.provider_reference)
    assert told((fact,)) == [(FactKind.CAPTURED, 1099, currency)]
    assert (fact.movement_reference, fact.payment_id) == (created.provider_reference, f"payment-of-{key}")


@pytest.mark.parametrize(("outcome", "kind"), [("failed", FactKind.FAILED), ("cancelled", FactKind.CANCELLED)])
async def test_a_checkout_that_is_not_paid_moves_no_money(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str, outcome: str, kind: FactKind
) -> None:
    created = await connector.create_order(order(key))

    await pay(control, created.provider_reference, outcome)

    assert told(await facts_at(connector, created.provider_reference)) == [(kind, None, None)]


async def test_the_same_key_again_returns_the_same_checkout(connector: CoinbaseConnector, key: str) -> None:
    first, second = await connector.create_order(order(key)), await connector.create_order(order(key))
    other = await connector.create_order(order(f"{key}-other"))

    assert first == second
    assert other.provider_reference != first.provider_reference


async def test_a_checkout_whose_answer_was_lost_is_there_when_asked_again(
    local_coinbase: str, control: httpx.AsyncClient, key: str
) -> None:
    connector = at(local_coinbase, IMPATIENT)
    await control.post("/_control/faults/silent_after")

    with pytest.raises(OutcomeUnknown):
        await connector.create_order(order(key))
    found = await connector.create_order(order(key))
    again = await connector.create_order(order(key))
    await connector.aclose()

    assert found == again


async def test_refunds_are_pending_until_the_money_is_sent(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    reference = (await connector.create_order(order(key, currency="EUR"))).provider_reference
    await pay(control, reference)

    (first,) = (await connector.refund(movement(reference, f"{key}-1", 500, "EUR"))).facts
    (second,) = (await connector.refund(movement(reference, f"{key}-2", 599, "EUR"))).facts
    pending = await facts_at(connector, reference)
    await control.post("/_control/settle")
    done = await facts_at(connector, reference)

    assert told((first, second)) == [(FactKind.REFUND_PENDING, 500, "EUR"), (FactKind.REFUND_PENDING, 599, "EUR")]
    assert first.payment_id == f"payment-of-{key}"
    assert told(pending) == [(FactKind.CAPTURED, 1099, "EUR"), *told((first, second))]
    assert told(done) == [
        (FactKind.CAPTURED, 1099, "EUR"),
        (FactKind.REFUNDED, 500, "EUR"),
        (FactKind.REFUNDED, 599, "EUR"),
    ]
    assert {fact.movement_reference for fact in done[1:]} == {first.movement_reference, second.movement_reference}


async def test_more_than_is_left_is_not_refunded(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    reference = (await connector.create_order(order(key))).provider_reference
    with pytest.raises(GatewayRejected, match="the checkout is ACTIVE"):
        await connector.refund(movement(reference, f"{key}-early"))
    await pay(control, reference)
    await connector.refund(movement(reference, f"{key}-1", 1000))

    with pytest.raises(GatewayRejected, match="more than is left"):
        await connector.refund(movement(reference, f"{key}-2", 100))


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_a_refund_has_one_effect_however_often_it_arrives(
    local_coinbase: str, connector: CoinbaseConnector, control: httpx.AsyncClient, key: str, fault: str
) -> None:
    reference = (await connector.create_order(order(key))).provider_reference
    await pay(control, reference)
    before, impatient = await moved(control, "refund"), at(local_coinbase, IMPATIENT)
    await control.post(f"/_control/faults/{fault}")

    if fault == "silent_after":
        with pytest.raises(OutcomeUnknown):
            await impatient.refund(movement(reference, f"{key}-1"))
    answer = await impatient.refund(movement(reference, f"{key}-1"))
    await impatient.aclose()

    assert told(answer.facts) == [(FactKind.REFUND_PENDING, 500, "USD")]
    assert await moved(control, "refund") == before + 1


async def test_a_refund_of_unknown_outcome_is_seen_when_the_checkout_is_read(
    local_coinbase: str, connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    reference, impatient = (await connector.create_order(order(key))).provider_reference, at(local_coinbase, IMPATIENT)
    await pay(control, reference)
    await control.post("/_control/faults/silent_after")
    with pytest.raises(OutcomeUnknown):
        await impatient.refund(movement(reference, f"{key}-1"))
    await impatient.aclose()

    assert (FactKind.REFUND_PENDING, 500, "USD") in told(await facts_at(connector, reference))


async def test_a_checkout_is_closed_until_it_is_paid(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    unpaid = (await connector.create_order(order(key))).provider_reference
    paid = (await connector.create_order(order(f"{key}-paid"))).provider_reference
    await pay(control, paid)

    (fact,) = (await connector.void(movement(unpaid, f"{key}-void"))).facts

    assert (fact.kind, fact.reason) == (FactKind.CANCELLED, "DEACTIVATED")
    with pytest.raises(GatewayRejected, match="the checkout is COMPLETED"):
        await connector.void(movement(paid, f"{key}-void"))


async def test_a_link_stays_open_for_a_year_unless_it_says_otherwise(local_coinbase: str, key: str) -> None:
    connector, until = at(local_coinbase), datetime.now(UTC) + timedelta(days=3)
    always = await connector.create_payment_link(link(key))
    for_three_days = await connector.create_payment_link(link(f"{key}-2", expires_at=until))
    await connector.aclose()

    a_year_later = datetime.now(UTC) + timedelta(days=365)
    assert abs(await closing_time(local_coinbase, always.provider_reference) - a_year_later) < timedelta(minutes=1)
    assert await closing_time(local_coinbase, for_three_days.provider_reference) == until.replace(microsecond=0)


async def test_a_link_is_paid_as_our_payment_and_can_be_cancelled_twice(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    paid, unpaid = await connector.create_payment_link(link(key)), await connector.create_payment_link(link(f"{key}-2"))

    await pay(control, paid.provider_reference)
    await connector.cancel_payment_link(unpaid.provider_reference)
    await connector.cancel_payment_link(unpaid.provider_reference)

    assert [fact.payment_id for fact in await facts_at(connector, paid.provider_reference)] == ["payment-1"]
    assert told(await facts_at(connector, unpaid.provider_reference)) == [(FactKind.CANCELLED, None, None)]
    with pytest.raises(GatewayRejected):
        await connector.cancel_payment_link(paid.provider_reference)


async def test_a_payment_link_that_was_made_elsewhere_is_read_too() -> None:
    (posted,) = CASES.facts_of(CASES.delivery(CASES.sample("payment_link.payment.success")))
    links = {"/api/v1/payment-links/": sample("payment_link.payment.success")}
    async with fault_server(answers(404, NOT_FOUND), preliminary=links) as server:
        connector = at(server.url)
        (read,) = await facts_at(connector, LINK)
        await connector.aclose()

    assert [request.path for request in server.reads] == [f"/api/v1/checkouts/{LINK}"]
    assert replace(posted, gateway_event_id="") == replace(read, gateway_event_id="")


async def test_what_is_neither_checkout_nor_link_is_not_found() -> None:
    async with fault_server(answers(404, NOT_FOUND)) as server:
        connector = at(server.url)
        with pytest.raises(GatewayRejected, match="HTTP 404: no such checkout"):
            await facts_at(connector, LINK)
        await connector.aclose()

    assert len(server.reads) == 2


@pytest.mark.parametrize(
    "name", ["checkout.refund.success.partial", "checkout.refund.failed", "checkout.payment.expired"]
)
async def test_an_answer_and_a_callback_about_the_same_say_the_same_steps(name: str) -> None:
    posted = CASES.facts_of(CASES.delivery(CASES.sample(name)))
    async with fault_server(answers(200, sample(name))) as server:
        connector = at(server.url)
        read = await facts_at(connector, CHECKOUT)
        await connector.aclose()

    assert [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in read] == [
        (fact.kind, fact.movement_reference, fact.amount_minor) for fact in posted
    ]


async def test_a_refund_in_its_own_answer_is_the_one_of_the_callback() -> None:
    checkout = sample("checkout.refund.success")
    answer = {"checkout": checkout, "refund": {**checkout["refunds"][0], "status": "PENDING"}}
    async with fault_server(answers(200, answer)) as server:
        connector = at(server.url)
        (fact,) = (await connector.refund(movement(CHECKOUT, "command-2", 1099))).facts
        await connector.aclose()

    assert (fact.kind, fact.movement_reference, fact.amount_minor) == (FactKind.REFUND_PENDING, REFUND, 1099)
    assert fact.payment_id == "payment-1"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"refund": []},
        {"refund": {}},
        {"refund": {"id": "r", "status": "PENDING"}},
        {"refund": {"status": "PENDING"}},
    ],
)
async def test_a_refund_that_cannot_be_read_is_an_unknown_outcome(answer: object) -> None:
    async with fault_server(answers(200, answer)) as server:
        connector = at(server.url)
        with pytest.raises(OutcomeUnknown):
            await connector.refund(movement(CHECKOUT, "command-2"))
        await connector.aclose()


async def test_us_dollars_may_be_priced_in_usdc(local_coinbase: str, control: httpx.AsyncClient, key: str) -> None:
    connector = at(local_coinbase, more={"pricing": "usdc"})
    created = await connector.create_order(order(key))
    await pay(control, created.provider_reference)
    await connector.refund(movement(created.provider_reference, f"{key}-1"))

    facts = await facts_at(connector, created.provider_reference)
    with pytest.raises(GatewayRejected) as refusal:
        await connector.create_order(order(f"{key}-eur", currency="EUR"))
    await connector.aclose()

    assert told(facts) == [(FactKind.CAPTURED, 1099, "USD"), (FactKind.REFUND_PENDING, 500, "USD")]
    assert refusal.value.field == "currency"


def test_usdc_is_no_money_unless_the_account_says_so() -> None:
    plain = sample("checkout.payment.success") | {"fiatAmount": None, "fiatCurrency": None}
    delivery = CASES.delivery(json.dumps(plain).encode())
    credentials = CoinbaseCredentials.model_validate({**CASES.credentials, "pricing": "usdc"})

    (fact,) = CoinbaseConnector(credentials).parse_callback(CASES.callback(delivery))

    assert told((fact,)) == [(FactKind.CAPTURED, 1099, "USD")]
    with pytest.raises(MalformedPayload):
        CASES.facts_of(delivery)


async def test_the_sandbox_has_its_own_addresses(local_coinbase: str, key: str) -> None:
    connector = at(local_coinbase, more={"sandbox": True})
    created = await connector.create_order(order(key))
    await connector.aclose()

    async with fault_server(answers(404, {})) as server:
        connector = at(server.url, more={"sandbox": True})
        with pytest.raises(GatewayRejected):
            await facts_at(connector, created.provider_reference)
        await connector.aclose()
    assert server.reads[0].path == f"/sandbox/api/v1/checkouts/{created.provider_reference}"


@pytest.mark.parametrize(
    ("request_of_an_order", "field"),
    [
        (order("1", manual_capture=True), "manual_capture"),
        (order("1", currency="JPY"), "currency"),
        (order("1", currency="KWD"), "currency"),
    ],
)
async def test_orders_that_business_does_not_take_are_refused(request_of_an_order: OrderRequest, field: str) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await at("http://127.0.0.1:1").create_order(request_of_an_order)

    assert refusal.value.field == field


async def test_reusable_links_are_refused() -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await at("http://127.0.0.1:1").create_payment_link(link("1", reusable=True))

    assert refusal.value.field == "reusable"


async def test_a_payment_id_that_is_too_long_for_a_label_is_left_out(
    connector: CoinbaseConnector, control: httpx.AsyncClient, key: str
) -> None:
    long = replace(order(key), payment_id="p" * 101, metadata={f"label-{index}": "x" for index in range(30)})

    reference = (await connector.create_order(long)).provider_reference
    await pay(control, reference)

    assert [fact.payment_id for fact in await facts_at(connector, reference)] == [None]


def test_an_idempotency_key_becomes_a_uuid_of_its_own() -> None:
    assert key_of("command-1") == "e12c157c-0051-4399-96ec-b3c03a191d6d"
    assert key_of("command-2") != key_of("command-1")
