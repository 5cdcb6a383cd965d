"""PhonePe's mandates against a local PhonePe: set up, confirmed by the payer, charged a day later."""

from dataclasses import replace

import pytest

from connectors.base import MandateChargeRequest, MandateRequest, MovementRequest, StatusRequest
from connectors.phonepe.client import PhonePeConnector
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.phonepe import CASES
from tests.connectors.fault_server import answers, fault_server, is_silent
from tests.gateways.phonepe_payer import IMPATIENT, Payer, connected_to


@pytest.fixture
def mandate(key: str) -> MandateRequest:
    """A mandate that no other test has."""
    return MandateRequest(
        mandate_id=f"mandate-{key}",
        account=ACCOUNT,
        idempotency_key=key,
        customer_id="customer-1",
        currency="INR",
        max_amount_minor=100_000,
    )


def charge_of(mandate: MandateRequest, amount_minor: int = 49900) -> MandateChargeRequest:
    return MandateChargeRequest(
        payment_id=f"payment-{mandate.mandate_id}",
        account=ACCOUNT,
        idempotency_key=f"charge-{mandate.mandate_id}",
        amount_minor=amount_minor,
        currency="INR",
        mandate_reference=mandate.mandate_id,
    )


async def facts_of(connector: PhonePeConnector, charge: MandateChargeRequest) -> tuple[Fact, ...]:
    name = f"mandate-charge-{charge.payment_id}"
    request = StatusRequest(payment_id=charge.payment_id, account=ACCOUNT, provider_reference=name)
    return (await connector.fetch_status(request)).facts


async def test_a_mandate_begins_with_a_link_to_the_payers_app(
    phonepe: PhonePeConnector, mandate: MandateRequest
) -> None:
    answer = await phonepe.setup_mandate(mandate)

    assert (answer.provider_reference, answer.status) == (mandate.mandate_id, "pending")
    assert answer.client_parameters["intent_url"].startswith("upi://mandate?")


async def test_a_payer_with_a_upi_address_is_asked_in_the_app_behind_it(
    phonepe: PhonePeConnector, mandate: MandateRequest
) -> None:
    answer = await phonepe.setup_mandate(replace(mandate, payment_method_token="payer@upi"))

    assert (answer.status, answer.client_parameters) == ("pending", {})


async def test_a_mandate_is_set_up_once(
    phonepe: PhonePeConnector, phonepe_payer: Payer, mandate: MandateRequest
) -> None:
    await phonepe.setup_mandate(mandate)
    again = await phonepe.setup_mandate(mandate)
    await phonepe_payer.pay(mandate.mandate_id)
    confirmed = await phonepe.setup_mandate(mandate)

    assert (again.status, confirmed.status) == ("pending", "active")
    assert again.provider_reference == confirmed.provider_reference == mandate.mandate_id


async def test_a_mandate_without_a_largest_amount_is_refused_before_phonepe_is_asked(mandate: MandateRequest) -> None:
    async with fault_server(is_silent) as nowhere, connected_to(nowhere.url) as connector:
        with pytest.raises(GatewayRejected) as refusal:
            await connector.setup_mandate(replace(mandate, max_amount_minor=None))

        assert nowhere.requests == []
    assert refusal.value.field == "max_amount_minor"


@pytest.mark.parametrize(
    "link", ["javascript://%0aalert(1)", "https://elsewhere.example", None, 7, "upi://with spaces"]
)
async def test_nothing_but_a_upi_link_is_handed_to_the_payer(mandate: MandateRequest, link: object) -> None:
    answer = answers(200, {"orderId": "OMO1", "state": "PENDING", "intentUrl": link})
    async with (
        fault_server(answer, preliminary=CASES.preliminary) as server,
        connected_to(server.url) as connector,
    ):
        with pytest.raises(OutcomeUnknown):
            await connector.setup_mandate(mandate)


async def test_a_mandate_is_charged_once_the_payer_has_confirmed_it(
    phonepe: PhonePeConnector, phonepe_payer: Payer, mandate: MandateRequest
) -> None:
    charge = charge_of(mandate)
    await phonepe.setup_mandate(mandate)
    with pytest.raises(GatewayRejected, match="is not active"):
        await phonepe.charge_mandate(charge)
    await phonepe_payer.pay(mandate.mandate_id)

    answer = await phonepe.charge_mandate(charge)

    assert answer.provider_reference == f"mandate-charge-{charge.payment_id}"
    assert (answer.amount_minor, answer.currency, answer.client_parameters) == (49900, "INR", {})
    assert [(fact.kind, fact.payment_id) for fact in answer.facts] == [(FactKind.PROCESSING, charge.payment_id)]

    await phonepe_payer.settle()
    (captured,) = await facts_of(phonepe, charge)

    assert (captured.kind, captured.amount_minor, captured.payment_id) == (FactKind.CAPTURED, 49900, charge.payment_id)


async def test_a_charge_asked_for_again_debits_once(
    local_phonepe: str, phonepe: PhonePeConnector, phonepe_payer: Payer, mandate: MandateRequest
) -> None:
    charge = charge_of(mandate)
    await phonepe.setup_mandate(mandate)
    await phonepe_payer.pay(mandate.mandate_id)
    before = await phonepe_payer.moved("capture")
    await phonepe_payer.fail_next("silent_after")
    async with connected_to(local_phonepe, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.charge_mandate(charge)

    again = await phonepe.charge_mandate(charge)
    await phonepe_payer.settle()

    assert [fact.kind for fact in again.facts] == [FactKind.PROCESSING]
    assert await phonepe_payer.moved("capture") - before == 1
    with pytest.raises(GatewayRejected, match="was used before"):
        await phonepe.charge_mandate(replace(charge, amount_minor=1000))


async def test_a_charge_above_the_mandate_is_refused(
    phonepe: PhonePeConnector, phonepe_payer: Payer, mandate: MandateRequest
) -> None:
    await phonepe.setup_mandate(mandate)
    await phonepe_payer.pay(mandate.mandate_id)

    with pytest.raises(GatewayRejected, match="does not allow it"):
        await phonepe.charge_mandate(charge_of(mandate, 100_001))


@pytest.mark.parametrize("reference", ["no-such-mandate", "../../v1/oauth/token"])
async def test_a_mandate_that_is_not_there_is_not_charged(
    phonepe: PhonePeConnector, mandate: MandateRequest, reference: str
) -> None:
    with pytest.raises(GatewayRejected):
        await phonepe.charge_mandate(replace(charge_of(mandate), mandate_reference=reference))


async def test_a_charge_is_refunded_like_an_order(
    phonepe: PhonePeConnector, phonepe_payer: Payer, mandate: MandateRequest, key: str
) -> None:
    charge = charge_of(mandate)
    await phonepe.setup_mandate(mandate)
    await phonepe_payer.pay(mandate.mandate_id)
    order = (await phonepe.charge_mandate(charge)).provider_reference
    await phonepe_payer.settle()
    request = MovementRequest(
        payment_id=charge.payment_id,
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=order,
        amount_minor=49900,
        currency="INR",
    )

    (pending,) = (await phonepe.refund(request)).facts

    assert (pending.kind, pending.provider_reference, pending.movement_reference) == (
        FactKind.REFUND_PENDING,
        order,
        key,
    )
