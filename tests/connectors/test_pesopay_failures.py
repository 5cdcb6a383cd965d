"""Answers of the order API that cannot be used: before a write nothing has moved, after it nobody knows."""

import pytest

from connectors.base import Capability, MovementRequest
from connectors.outcomes import Timeouts
from connectors.pesopay.api import wire_money
from domain.errors import (
    GatewayDeclined,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    MalformedPayload,
    OutcomeUnknown,
)
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.pesopay import CASES, captured
from tests.connectors.fault_server import Fault, answers
from tests.connectors.operations import OPERATIONS, connected, failing


def attempt(status: str, **changes: str) -> bytes:
    fields = {"orderStatus": status, "ref": "payment-1-H", "payRef": "4000123", "amt": "12.00", "cur": "840", **changes}
    written = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<records><record>{written}</record></records>".encode()


async def failure_of(capability: Capability, found: bytes, on_write: Fault) -> GatewayError:
    async with (
        failing(CASES, on_write, on_get=answers(200, found)) as server,
        connected(CASES, server.url, Timeouts()) as connector,
    ):
        with pytest.raises(GatewayError) as failure:
            await OPERATIONS[capability](connector, CASES)
    return failure.value


@pytest.mark.parametrize("capability", [Capability.CAPTURES, Capability.VOIDS])
@pytest.mark.parametrize("status", ["Authorized", "Rejected", "Teleported"])
async def test_a_success_that_did_not_do_what_was_asked_is_unknown(capability: Capability, status: str) -> None:
    answer = f"resultCode=0&orderStatus={status}&payRef=4000123&errMsg=".encode()

    failure = await failure_of(capability, attempt("Authorized"), answers(200, answer))

    assert type(failure) is OutcomeUnknown


@pytest.mark.parametrize("capability", [Capability.CAPTURES, Capability.VOIDS])
@pytest.mark.parametrize(("code", "error"), [("-1", GatewayRejected), ("1", GatewayDeclined), ("x", OutcomeUnknown)])
async def test_a_no_with_http_200_is_a_no(capability: Capability, code: str, error: type[GatewayError]) -> None:
    answer = f"resultCode={code}&orderStatus=&errMsg=No".encode()

    failure = await failure_of(capability, attempt("Authorized"), answers(200, answer))

    assert type(failure) is error


@pytest.mark.parametrize("broken", [{"amt": "much"}, {"cur": "000"}, {"amt": ""}])
async def test_an_attempt_whose_amount_cannot_be_read_is_not_touched(broken: dict[str, str]) -> None:
    for capability, status in ((Capability.CAPTURES, "Authorized"), (Capability.REFUNDS, "Accepted")):
        failure = await failure_of(capability, attempt(status, **broken), answers(500, b""))
        assert type(failure) is GatewayUnavailable, capability

    failure = await failure_of(Capability.FETCHES_STATUS, attempt("Accepted", **broken), answers(500, b""))
    assert type(failure) is OutcomeUnknown


@pytest.mark.parametrize("name", ["", "has spaces"])
async def test_an_attempt_without_a_name_is_not_touched(name: str) -> None:
    request = MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference="payment-1-H",
        amount_minor=1200,
        currency="USD",
    )
    found = answers(200, attempt("Accepted", payRef=name))
    async with failing(CASES, answers(500, b""), on_get=found) as server:
        async with connected(CASES, server.url, Timeouts()) as connector:
            with pytest.raises(GatewayUnavailable, match="without a name"):
                await connector.refund(request)
        assert server.writes == []


@pytest.mark.parametrize("amount_minor", [2**63, -(2**63)])
def test_an_amount_out_of_range_is_refused(amount_minor: int) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        wire_money(amount_minor, "PHP")

    assert refusal.value.field == "amount_minor"


async def test_a_refund_in_another_currency_is_refused_before_it_is_tried() -> None:
    failure = await failure_of(Capability.REFUNDS, attempt("Accepted", cur="608"), answers(500, b""))

    assert type(failure) is GatewayRejected


async def test_an_error_of_too_many_fields_is_told_without_words() -> None:
    async with (
        failing(CASES, answers(400, b"a=1&" * 1000)) as server,
        connected(CASES, server.url, Timeouts()) as connector,
    ):
        with pytest.raises(GatewayRejected) as failure:
            await OPERATIONS[Capability.FETCHES_STATUS](connector, CASES)

    assert failure.value.message == "PesoPay answered HTTP 400"


@pytest.mark.parametrize(("field", "value"), [("PayRef", ""), ("PayRef", "has spaces"), ("successcode", "")])
def test_a_proven_datafeed_without_what_names_it_is_malformed(field: str, value: str) -> None:
    fields = dict(pair.split("=") for pair in captured("12.00", "USD", "payment-1").decode().split("&"))
    body = "&".join(f"{name}={told}" for name, told in {**fields, field: value.replace(" ", "+")}.items()).encode()

    with pytest.raises(MalformedPayload):
        CASES.facts_of(CASES.delivery(body))
