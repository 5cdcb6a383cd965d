"""The connector of PhonePe's legacy API against a local one: payments, what became of them, and refunds."""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from connectors.base import MovementRequest, OrderRequest, StatusRequest
from connectors.outcomes import Timeouts
from connectors.phonepe_v1.client import PhonePeV1Connector
from connectors.phonepe_v1.names import refund_name, refund_stem
from connectors.phonepe_v1.registration import PhonePeV1Credentials
from connectors.tls import system_tls
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, OutcomeUnknown
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT, Delivery
from tests.connectors.cases.phonepe_v1 import CASES
from tests.connectors.fault_server import answers, fault_server, is_silent
from tests.gateways.phonepe_v1 import MERCHANT_ID, SALT_INDEX, SALT_KEY, checksum
from tests.gateways.serving import serving

RETURN_URL = "https://shop.example/back"
IMPATIENT = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=2.0)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local PhonePe with its legacy API."""
    with serving("tests.gateways.phonepe_v1", tmp_path_factory.mktemp("phonepe-v1")) as url:
        yield url


@asynccontextmanager
async def connected_to(
    url: str, timeouts: Timeouts | None = None, changes: Mapping[str, object] | None = None
) -> AsyncIterator[PhonePeV1Connector]:
    values = {
        "merchant_id": MERCHANT_ID,
        "salt_key": SALT_KEY,
        "salt_index": SALT_INDEX,
        "environment": "sandbox",
        "callback_url": f"{url}/_control/nobody",
        "api_base": url,
    }
    connector = PhonePeV1Connector(PhonePeV1Credentials.model_validate({**values, **(changes or {})}), timeouts)
    try:
        yield connector
    finally:
        await connector.aclose()


@pytest.fixture
async def phonepe(url: str) -> AsyncIterator[PhonePeV1Connector]:
    """The connector under test."""
    async with connected_to(url) as connector:
        yield connector


@pytest.fixture
async def control(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The other side."""
    async with httpx.AsyncClient(base_url=f"{url}/_control", verify=system_tls()) as http:
        yield http


@pytest.fixture
def order() -> OrderRequest:
    """A payment whose id no other test has."""
    return OrderRequest(
        payment_id=f"payment-{secrets.token_hex(8)}",
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=50000,
        currency="INR",
        return_url=RETURN_URL,
    )


@pytest.fixture
async def paid(phonepe: PhonePeV1Connector, control: httpx.AsyncClient, order: OrderRequest) -> str:
    """The name of a payment that was made."""
    name = (await phonepe.create_order(order)).provider_reference
    (await control.post(f"/pay/{name}", json={"outcome": "paid"})).raise_for_status()
    return name


def movement(payment: str, amount_minor: int, key: str) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=payment,
        amount_minor=amount_minor,
        currency="INR",
    )


def status(payment: str, refunds: Iterable[str] = (), keys: Iterable[str] = ()) -> StatusRequest:
    return StatusRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=payment,
        refund_references=tuple(refunds),
        open_keys=tuple(keys),
    )


def said(facts: Iterable[Fact]) -> list[tuple[FactKind, str | None, int | None]]:
    return [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in facts]


def called_back(code: str, transaction: Mapping[str, Any]) -> Fact:
    """What the connector makes of a callback about a transaction."""
    document = {"code": code, "data": {"merchantId": MERCHANT_ID, **transaction}}
    response = base64.b64encode(json.dumps(document).encode()).decode()
    body = json.dumps({"response": response}).encode()
    (fact,) = CASES.facts_of(Delivery(body=body, headers=(("x-verify", checksum(response)),)))
    return fact


async def test_a_payment_is_made_under_its_own_name_with_a_page(
    phonepe: PhonePeV1Connector, order: OrderRequest
) -> None:
    answer = await phonepe.create_order(order)

    assert answer.provider_reference == order.payment_id
    assert (answer.amount_minor, answer.currency, answer.facts) == (50000, "INR", ())
    assert list(answer.client_parameters) == ["redirect_url"]


async def test_a_payment_that_was_made_before_is_found_again_without_its_page(
    phonepe: PhonePeV1Connector, order: OrderRequest
) -> None:
    await phonepe.create_order(order)

    again = await phonepe.create_order(order)

    assert (again.provider_reference, again.amount_minor, again.client_parameters) == (order.payment_id, 50000, {})
    with pytest.raises(GatewayRejected, match="INVALID_TRANSACTION_ID"):
        await phonepe.create_order(replace(order, amount_minor=50001))


async def test_a_payment_made_without_an_answer_is_unknown_and_can_be_read_back(
    url: str, control: httpx.AsyncClient, phonepe: PhonePeV1Connector, order: OrderRequest
) -> None:
    await control.post("/faults/silent_after")
    async with connected_to(url, IMPATIENT) as impatient:
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


async def test_a_payment_without_a_page_of_its_own_goes_back_to_the_accounts(url: str, order: OrderRequest) -> None:
    async with connected_to(url, changes={"return_url": RETURN_URL}) as connector:
        answer = await connector.create_order(replace(order, return_url=None))

    assert list(answer.client_parameters) == ["redirect_url"]


async def test_less_than_a_rupee_is_refused_by_phonepe(phonepe: PhonePeV1Connector, order: OrderRequest) -> None:
    with pytest.raises(GatewayRejected, match="HTTP 400: what BAD_REQUEST means"):
        await phonepe.create_order(replace(order, amount_minor=99))


@pytest.mark.parametrize("change", [{"salt_key": "another"}, {"salt_index": 2}])
async def test_a_wrong_salt_key_is_a_definite_answer(url: str, order: OrderRequest, change: dict[str, object]) -> None:
    async with connected_to(url, changes=change) as connector:
        for call in (connector.create_order(order), connector.fetch_status(status(order.payment_id))):
            with pytest.raises(GatewayRejected) as failure:
                await call
            assert failure.value.code == "credentials_refused"


async def test_the_status_and_the_callback_tell_of_the_same_step(phonepe: PhonePeV1Connector, paid: str) -> None:
    answer = await phonepe.fetch_status(status(paid))

    (fact,) = answer.facts
    transaction_id = fact.movement_reference
    transaction = {"merchantTransactionId": paid, "transactionId": transaction_id, "amount": 50000}
    callback = called_back("PAYMENT_SUCCESS", transaction)
    assert (answer.amount_minor, answer.currency) == (50000, "INR")
    assert said([fact]) == said([callback]) == [(FactKind.CAPTURED, transaction_id, 50000)]
    assert fact.references == callback.references == (paid, transaction_id, refund_stem(paid))
    assert fact.payment_id == callback.payment_id == paid


@pytest.mark.parametrize(("outcome", "detail"), [("failed", "ZM"), ("cancelled", "TXN_CANCELLED")])
async def test_a_payment_that_was_not_made_has_failed(
    phonepe: PhonePeV1Connector, control: httpx.AsyncClient, order: OrderRequest, outcome: str, detail: str
) -> None:
    name = (await phonepe.create_order(order)).provider_reference
    pending = (await phonepe.fetch_status(status(name))).facts
    await control.post(f"/pay/{name}", json={"outcome": outcome})

    facts = (await phonepe.fetch_status(status(name))).facts

    assert [fact.kind for fact in pending] == [FactKind.PROCESSING]
    assert [(fact.kind, fact.reason) for fact in facts] == [(FactKind.FAILED, f"PAYMENT_ERROR: {detail}")]


async def test_a_payment_that_phonepe_does_not_know_has_failed(phonepe: PhonePeV1Connector) -> None:
    answer = await phonepe.fetch_status(status("no-such-payment"))

    assert [(fact.kind, fact.reason) for fact in answer.facts] == [(FactKind.FAILED, "TRANSACTION_NOT_FOUND")]
    assert (answer.amount_minor, answer.currency) == (None, None)


async def test_a_transaction_of_other_software_is_told_no_amount(phonepe: PhonePeV1Connector, paid: str) -> None:
    answer = await phonepe.fetch_status(replace(status(paid), payment_id=None))

    assert (answer.amount_minor, answer.currency) == (None, None)
    assert [fact.kind for fact in answer.facts] == [FactKind.CAPTURED]


@pytest.mark.parametrize("name", ["../pay", "a/b", "payment 1", "a%2Fb", "x" * 65])
async def test_what_cannot_be_a_name_is_never_asked_for(name: str) -> None:
    async with fault_server(is_silent) as nowhere, connected_to(nowhere.url) as connector:
        with pytest.raises(GatewayRejected):
            await connector.fetch_status(status(name))

        assert nowhere.requests == []


async def test_refunds_are_followed_by_their_names_and_by_callbacks(
    phonepe: PhonePeV1Connector, control: httpx.AsyncClient, paid: str
) -> None:
    keys = ["command-2", "command:" + "x" * 200]
    names = [refund_name(paid, key) for key in keys]
    accepted = [*(await phonepe.refund(movement(paid, 20000, keys[0]))).facts]
    accepted += (await phonepe.refund(movement(paid, 30000, keys[1]))).facts
    assert said(accepted) == [(FactKind.REFUND_PENDING, names[0], 20000), (FactKind.REFUND_PENDING, names[1], 30000)]
    assert {fact.references for fact in accepted} == {(paid, refund_stem(paid))}

    await control.post("/settle")
    facts = (await phonepe.fetch_status(status(paid, names))).facts
    callback = called_back("PAYMENT_SUCCESS", {"merchantTransactionId": names[0], "amount": 20000})

    assert said(facts)[1:] == [(FactKind.REFUNDED, names[0], 20000), (FactKind.REFUNDED, names[1], 30000)]
    assert said([callback]) == said(facts)[1:2]
    assert callback.provider_reference in facts[0].references


async def test_a_refund_above_what_is_left_is_refused(phonepe: PhonePeV1Connector, paid: str, key: str) -> None:
    with pytest.raises(GatewayRejected):
        await phonepe.refund(movement(paid, 50001, key))


@pytest.mark.parametrize("fault", ["silent_after", "delivered_twice"])
async def test_a_refund_asked_for_again_moves_money_once(
    url: str, phonepe: PhonePeV1Connector, control: httpx.AsyncClient, paid: str, key: str, fault: str
) -> None:
    before = (await control.get("/movements")).json().get("refund", 0)
    expected = [(FactKind.REFUND_PENDING, refund_name(paid, key), 20000)]
    await control.post(f"/faults/{fault}")
    request = movement(paid, 20000, key)
    async with connected_to(url, IMPATIENT) as impatient:
        if fault == "silent_after":
            with pytest.raises(OutcomeUnknown):
                await impatient.refund(request)
        else:
            assert said((await impatient.refund(request)).facts) == expected

    found = await phonepe.fetch_status(status(paid, keys=[key, "command-that-never-came"]))
    again = await phonepe.refund(request)

    assert said(found.facts)[1:] == said(again.facts) == expected
    assert (await control.get("/movements")).json()["refund"] - before == 1
    with pytest.raises(GatewayRejected):
        await phonepe.refund(replace(request, amount_minor=10000))


async def test_another_payments_refund_is_not_asked_for(phonepe: PhonePeV1Connector, paid: str, key: str) -> None:
    await phonepe.refund(movement(paid, 20000, key))

    facts = (await phonepe.fetch_status(status("no-such-payment", [refund_name(paid, key), "../pay"]))).facts

    assert [fact.kind for fact in facts] == [FactKind.FAILED]


@pytest.mark.parametrize(
    ("http_status", "code", "expected"),
    [
        (200, "PAYMENT_ERROR", GatewayDeclined),
        (200, "PAYMENT_DECLINED", GatewayDeclined),
        (200, "BAD_REQUEST", GatewayRejected),
        (200, "TRANSACTION_NOT_FOUND", GatewayRejected),
        (200, "AUTHORIZATION_FAILED", GatewayRejected),
        (200, "INTERNAL_SERVER_ERROR", OutcomeUnknown),
        (200, "TIMED_OUT", OutcomeUnknown),
        (200, "SOMETHING_NEW", OutcomeUnknown),
        (400, "BAD_REQUEST", GatewayRejected),
        (400, "SOMETHING_NEW", GatewayRejected),
        (400, "INTERNAL_SERVER_ERROR", OutcomeUnknown),
        (400, "TIMED_OUT", OutcomeUnknown),
    ],
)
async def test_a_code_counts_for_more_than_the_http_status(
    http_status: int, code: str, expected: type[GatewayError]
) -> None:
    told = answers(http_status, {"success": False, "code": code, "message": "no"})
    unknown = answers(404, {"success": False, "code": "TRANSACTION_NOT_FOUND"})
    async with fault_server(told, on_get=unknown) as server, connected_to(server.url) as connector:
        with pytest.raises(GatewayError) as failure:
            await connector.refund(movement("payment-1", 20000, "command-2"))

    assert type(failure.value) is expected


@pytest.mark.parametrize("code", ["INTERNAL_SERVER_ERROR", "TIMED_OUT"])
async def test_a_transaction_that_timed_out_is_still_under_way(code: str) -> None:
    transaction = {"merchantTransactionId": "payment-1", "transactionId": "T1", "amount": 50000, "state": "PENDING"}
    about_it = answers(500, {"success": False, "code": code, "data": transaction})
    about_the_look = answers(500, {"success": False, "code": code})
    async with fault_server(about_it) as server, connected_to(server.url) as connector:
        facts = (await connector.fetch_status(status("payment-1"))).facts
    async with fault_server(about_the_look) as server, connected_to(server.url) as connector:
        with pytest.raises(OutcomeUnknown):
            await connector.fetch_status(status("payment-1"))

    assert [fact.kind for fact in facts] == [FactKind.PROCESSING]


async def test_a_refusal_that_cannot_be_checked_leaves_the_outcome_unknown() -> None:
    refusal = answers(400, {"success": False, "code": "INVALID_TRANSACTION_ID", "message": "used before"})
    async with (
        fault_server(refusal, on_get=answers(503, {})) as server,
        connected_to(server.url) as connector,
    ):
        with pytest.raises(OutcomeUnknown, match="whether it was done before is not known"):
            await connector.refund(movement("payment-1", 20000, "command-2"))


async def test_an_answer_about_another_transaction_is_not_read() -> None:
    other = {"merchantTransactionId": "payment-2", "transactionId": "T1", "amount": 50000}
    async with (
        fault_server(is_silent, on_get=answers(200, {"code": "PAYMENT_SUCCESS", "data": other})) as server,
        connected_to(server.url) as connector,
    ):
        with pytest.raises(OutcomeUnknown):
            await connector.fetch_status(status("payment-1"))
