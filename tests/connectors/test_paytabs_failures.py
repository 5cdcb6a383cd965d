"""Answers of PayTabs that cannot be used: before a write nothing has moved, after it nobody knows."""

import json

import pytest

from connectors.base import Capability
from connectors.outcomes import Timeouts
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, MalformedPayload, OutcomeUnknown
from tests.connectors.cases.paytabs import CART, CASES, SALE
from tests.connectors.fault_server import Fault, answers
from tests.connectors.operations import OPERATIONS, connected, failing

SOLD = json.loads(CASES.sample("sale.approved")) | {"cart_currency": "USD"}
AUTHORIZED = {**SOLD, "tran_type": "Auth"}


async def failure_of(capability: Capability, on_write: Fault, found: object) -> GatewayError:
    async with (
        failing(CASES, on_write, on_get=answers(200, found)) as server,
        connected(CASES, server.url, Timeouts()) as connector,
    ):
        with pytest.raises(GatewayError) as failure:
            await OPERATIONS[capability](connector, CASES)
    return failure.value


@pytest.mark.parametrize("capability", [Capability.CAPTURES, Capability.REFUNDS, Capability.CHARGES_MANDATES])
@pytest.mark.parametrize("status", ["P", "V", "Z"])
async def test_an_answer_that_means_nothing_is_unknown(capability: Capability, status: str) -> None:
    tran_type = {Capability.CAPTURES: "Capture", Capability.REFUNDS: "Teleport"}.get(capability, "Register")
    answer = {**SOLD, "tran_type": tran_type, "payment_result": {"response_status": status}}
    found = [] if capability is Capability.CHARGES_MANDATES else [AUTHORIZED]

    failure = await failure_of(capability, answers(200, answer), found)

    assert type(failure) is OutcomeUnknown


@pytest.mark.parametrize("capability", [Capability.CREATES_ORDERS, Capability.SETS_UP_MANDATES])
@pytest.mark.parametrize("address", [None, "", "javascript:alert(1)"])
async def test_a_page_without_an_address_is_unknown(capability: Capability, address: str | None) -> None:
    failure = await failure_of(capability, answers(200, {**SOLD, "redirect_url": address}), [])

    assert type(failure) is OutcomeUnknown


@pytest.mark.parametrize(
    "capability",
    [Capability.CREATES_ORDERS, Capability.CAPTURES, Capability.REFUNDS, Capability.CHARGES_MANDATES],
)
async def test_a_write_that_is_turned_away_had_no_effect(capability: Capability) -> None:
    found = [] if capability in {Capability.CREATES_ORDERS, Capability.CHARGES_MANDATES} else [AUTHORIZED]

    failure = await failure_of(capability, answers(429, {"message": "slow down"}), found)

    assert type(failure) is GatewayUnavailable


@pytest.mark.parametrize("broken", [{"cart_amount": "much"}, {"cart_currency": "XXX"}])
async def test_a_void_of_an_amount_that_cannot_be_read_is_not_tried(broken: dict[str, str]) -> None:
    failure = await failure_of(Capability.VOIDS, answers(500, {}), [{**AUTHORIZED, **broken}])

    assert type(failure) is GatewayUnavailable


async def test_an_authorization_of_another_name_is_not_voided() -> None:
    failure = await failure_of(Capability.VOIDS, answers(500, {}), [{**AUTHORIZED, "tran_ref": "TST9"}])

    assert type(failure) is GatewayRejected
    assert failure.message == f"{CART} has no authorization at PayTabs"
    assert SALE != "TST9"


def test_a_proven_callback_in_another_encoding_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        CASES.facts_of(CASES.delivery(CASES.genuine_body().replace(b"Sale", b"S\xe4le")))
