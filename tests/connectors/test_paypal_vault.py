"""PayPal's vault: mandates that payers approve, charges without them, and saved payment methods."""

from dataclasses import replace

import pytest

from connectors.base import MandateChargeRequest, MandateRequest, PaymentMethodRequest
from connectors.paypal.client import PayPalConnector
from connectors.paypal.mandates import invoice_of
from connectors.paypal.registration import PayPalCredentials
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.paypal import CASES, SIGNER
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.paypal import LocalPayPal
from tests.gateways.paypal_payer import IMPATIENT, RETURN_URL, connected, credentials_at, fail_next, status
from tests.gateways.paypal_vault import CARD, CARD_SETUP, DECLINED_CARD, WALLET

STORED_WALLET = {"payment_initiator": "MERCHANT", "usage_pattern": "UNSCHEDULED_POSTPAID", "usage": "SUBSEQUENT"}
STORED_CARD = {"payment_initiator": "MERCHANT", "payment_type": "UNSCHEDULED", "usage": "SUBSEQUENT"}


SETUP = MandateRequest(
    mandate_id="mandate-1",
    account=ACCOUNT,
    idempotency_key="setup-1",
    customer_id="customer-1",
    currency="USD",
    return_url=RETURN_URL,
)

CHARGE = MandateChargeRequest(
    payment_id="payment-1",
    account=ACCOUNT,
    idempotency_key="charge-1",
    amount_minor=1200,
    currency="USD",
    mandate_reference="mandate",
)


async def test_a_mandate_is_approved_by_the_payer_and_then_charged(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    mandate = await paypal.setup_mandate(SETUP)
    charge = replace(
        CHARGE, mandate_reference=mandate.provider_reference, customer_reference=mandate.customer_reference
    )
    with pytest.raises(GatewayRejected, match="is not approved"):
        await paypal.charge_mandate(charge)
    local_paypal.pay(mandate.provider_reference, "paid")

    charged = await paypal.charge_mandate(charge)
    later = await paypal.charge_mandate(replace(charge, payment_id="payment-2", idempotency_key="charge-2"))

    assert (mandate.status, mandate.payment_method_reference) == ("pending", None)
    assert mandate.client_parameters["redirect_url"].endswith(mandate.provider_reference)
    assert local_paypal.vault.setups[mandate.provider_reference]["customer"]["merchant_customer_id"] == "customer-1"
    for answer, payment_id in ((charged, "payment-1"), (later, "payment-2")):
        (fact,) = answer.facts
        assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.CAPTURED, 1200, payment_id)
        assert answer.client_parameters == {}
        assert (await paypal.fetch_status(status(answer.provider_reference, payment_id))).facts == answer.facts
    assert local_paypal.movements == {"capture": 2}
    assert len([token for token in local_paypal.vault.tokens if token not in {WALLET, CARD, DECLINED_CARD}]) == 1


async def test_a_mandate_whose_customer_is_not_known_is_charged_by_its_setup_token(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    mandate = await paypal.setup_mandate(SETUP)
    local_paypal.pay(mandate.provider_reference, "paid")

    charge = replace(CHARGE, mandate_reference=mandate.provider_reference)
    await paypal.charge_mandate(charge)
    await paypal.charge_mandate(charge)

    assert local_paypal.movements == {"capture": 1}


async def test_a_mandate_of_an_approved_token_is_active_at_once(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    request = replace(SETUP, payment_method_token=CARD_SETUP)

    mandate, again = [await paypal.setup_mandate(request) for _ in range(2)]
    await paypal.charge_mandate(replace(CHARGE, payment_method_reference=mandate.payment_method_reference))

    assert mandate == again
    assert (mandate.status, mandate.provider_reference) == ("active", mandate.payment_method_reference)
    assert local_paypal.movements == {"capture": 1}


async def test_a_mandate_needs_a_page_to_come_back_to(
    paypal_url: str, paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    request = replace(SETUP, return_url=None)
    with pytest.raises(GatewayRejected) as refusal:
        await paypal.setup_mandate(request)
    async with connected(credentials_at(paypal_url, SIGNER.authority.pem(), return_url=RETURN_URL)) as with_page:
        mandate = await with_page.setup_mandate(request)

    assert refusal.value.field == "return_url"
    assert list(local_paypal.vault.setups) == [CARD_SETUP, mandate.provider_reference]


@pytest.mark.parametrize(("token", "stored"), [(WALLET, STORED_WALLET), (CARD, STORED_CARD)])
async def test_a_charge_says_that_the_payer_is_not_there(
    paypal: PayPalConnector, local_paypal: LocalPayPal, token: str, stored: dict[str, str]
) -> None:
    await paypal.charge_mandate(replace(CHARGE, payment_method_reference=token, description="Coffee in May"))

    ((body, _),) = local_paypal.answered.values()
    ((_, details),) = body["payment_source"].items()
    assert details == {"vault_id": token, "stored_credential": stored}
    (unit,) = body["purchase_units"]
    assert (unit["invoice_id"], unit["custom_id"], unit["description"]) == ("payment-1", "payment-1", "Coffee in May")


async def test_a_charge_that_is_declined_moves_nothing(paypal: PayPalConnector, local_paypal: LocalPayPal) -> None:
    with pytest.raises(GatewayDeclined, match="response code 5120"):
        await paypal.charge_mandate(replace(CHARGE, payment_method_reference=DECLINED_CARD))

    assert local_paypal.movements == {}


async def test_a_charge_without_an_answer_is_unknown_and_charged_once_when_it_is_repeated(
    paypal_url: str, paypal_credentials: PayPalCredentials, paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    charge = replace(CHARGE, payment_method_reference=CARD)
    await fail_next(paypal_url, "silent_after")
    async with connected(paypal_credentials, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.charge_mandate(charge)

    assert (await paypal.charge_mandate(charge)).facts[0].kind is FactKind.CAPTURED
    assert local_paypal.movements == {"capture": 1}


async def test_a_charge_is_not_repeated_when_paypal_has_forgotten_its_key(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    charge = replace(CHARGE, payment_method_reference=CARD)
    await paypal.charge_mandate(charge)
    local_paypal.answered.clear()

    with pytest.raises(OutcomeUnknown, match="DUPLICATE_INVOICE_ID"):
        await paypal.charge_mandate(charge)

    assert local_paypal.movements == {"capture": 1}


async def test_a_token_that_could_not_be_made_leaves_the_charge_undone() -> None:
    approved = {"id": "5C991763VB2781612", "status": "APPROVED", "customer": {"id": "customer_1"}}
    known = {"/v3/vault/setup-tokens": approved, "/v3/vault/payment-tokens?": {"payment_tokens": []}}
    async with (
        fault_server(answers(503, {}), preliminary={**CASES.preliminary, **known}) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as paypal,
    ):
        with pytest.raises(GatewayUnavailable):
            await paypal.charge_mandate(CHARGE)

    assert [request.path for request in server.writes] == ["/v3/vault/payment-tokens"]


@pytest.mark.parametrize(
    "answer", [{"id": "5C991763VB2781612"}, {"links": [{"rel": "approve", "href": "https://www.paypal.example/a"}]}]
)
async def test_an_answer_without_what_is_needed_leaves_the_outcome_unknown(answer: object) -> None:
    keep = PaymentMethodRequest(account=ACCOUNT, idempotency_key="save-1", customer_id="me", token=CARD_SETUP)
    async with (
        fault_server(answers(201, answer), preliminary=CASES.preliminary) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as paypal,
    ):
        with pytest.raises(OutcomeUnknown):
            await paypal.setup_mandate(SETUP)
        with pytest.raises(OutcomeUnknown):
            await paypal.store_payment_method(keep)

    assert len(server.writes) == 2


async def test_a_card_is_kept_and_told_of(paypal: PayPalConnector, local_paypal: LocalPayPal) -> None:
    request = PaymentMethodRequest(account=ACCOUNT, idempotency_key="save-1", customer_id="me", token=CARD_SETUP)

    kept = await paypal.store_payment_method(request)

    assert (kept.kind, kept.brand, kept.last_four, kept.expires) == ("card", "visa", "4242", "03/2030")
    assert kept.customer_reference == local_paypal.vault.setups[CARD_SETUP]["customer"]["id"]
    assert kept == await paypal.store_payment_method(request)
    assert kept.provider_reference in local_paypal.vault.tokens


async def test_a_wallet_that_the_payer_approved_can_be_kept_before_it_is_charged(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    mandate = await paypal.setup_mandate(SETUP)
    local_paypal.pay(mandate.provider_reference, "paid")
    request = PaymentMethodRequest(
        account=ACCOUNT, idempotency_key="save-1", customer_id="me", token=mandate.provider_reference
    )

    kept = await paypal.store_payment_method(request)
    del local_paypal.vault.setups[mandate.provider_reference]
    charge = replace(CHARGE, mandate_reference="gone", customer_reference=mandate.customer_reference)
    charged = await paypal.charge_mandate(charge)

    assert (kept.kind, kept.brand, kept.last_four, kept.expires) == ("paypal", None, None, None)
    assert charged.facts[0].kind is FactKind.CAPTURED


def test_an_invoice_is_named_after_the_payment_or_after_its_digest() -> None:
    assert invoice_of("payment-1") == "payment-1"
    assert invoice_of("x" * 127) == "x" * 127
    assert len(invoice_of("x" * 128)) == 64
    assert invoice_of("x" * 128) != invoice_of("x" * 129)
