"""PayPal's orders against the local PayPal: set up, approved by the payer, and completed exactly once."""

import asyncio
from dataclasses import replace

import pytest

from connectors.base import AuthorizationRequest, GatewayAnswer, RedirectRequest
from connectors.paypal.client import PayPalConnector
from connectors.paypal.registration import PayPalCredentials
from domain.errors import GatewayDeclined, GatewayRejected, OutcomeUnknown, VerificationFailed
from domain.facts import FactKind, Trust
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.paypal import CASES, SIGNER
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.paypal import LocalPayPal
from tests.gateways.paypal_payer import IMPATIENT, RETURN_URL, connected, credentials_at, fail_next, order, status
from tests.gateways.paypal_vault import CARD, DECLINED_CARD, WALLET


def said(answer: GatewayAnswer) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in answer.facts]


def redirect(reference: str, **parameters: str) -> RedirectRequest:
    return RedirectRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference, parameters=parameters)


def authorization(reference: str, token: str, key: str = "authorize-1") -> AuthorizationRequest:
    return AuthorizationRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=reference,
        payment_method_token=token,
        return_url=RETURN_URL,
    )


async def test_an_order_is_made_once_and_leads_the_payer_to_paypal(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    answer = await paypal.create_order(order(description="Two coffees " * 20))
    again = await paypal.create_order(order(description="Two coffees " * 20))

    (known,) = local_paypal.state.orders.values()
    (unit,) = known["purchase_units"]
    assert answer.provider_reference == again.provider_reference == known["id"]
    assert answer.client_parameters == {"redirect_url": f"https://www.paypal.example/checkoutnow?token={known['id']}"}
    assert (answer.amount_minor, answer.currency) == (1000, "USD")
    assert (known["intent"], unit["custom_id"], len(unit["description"])) == ("CAPTURE", "payment-1", 127)
    assert [(fact.kind, fact.payment_id) for fact in answer.facts] == [(FactKind.REQUIRES_ACTION, "payment-1")]


async def test_the_payer_goes_back_to_the_payments_page_or_the_accounts(
    paypal_url: str, local_paypal: LocalPayPal
) -> None:
    async with connected(
        credentials_at(paypal_url, SIGNER.authority.pem(), return_url="https://shop.example/any")
    ) as paypal:
        for number, page in enumerate((RETURN_URL, None)):
            await paypal.create_order(order(f"payment-{number}", return_url=page))
    async with connected(credentials_at(paypal_url, SIGNER.authority.pem())) as paypal:
        await paypal.create_order(order("payment-2", return_url=None))

    bodies = [body for body, _ in local_paypal.answered.values()]
    contexts = [body["payment_source"]["paypal"]["experience_context"] for body in bodies]
    assert [(context.get("return_url"), context.get("cancel_url")) for context in contexts] == [
        (RETURN_URL, RETURN_URL),
        ("https://shop.example/any", "https://shop.example/any"),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("amount_minor", "currency", "value"),
    [(1, "USD", "0.01"), (1099, "EUR", "10.99"), (500, "JPY", "500"), (50_000, "HUF", "500"), (50_000, "TWD", "500")],
)
async def test_amounts_are_written_as_paypal_wants_them_and_read_back_the_same(
    paypal: PayPalConnector, local_paypal: LocalPayPal, amount_minor: int, currency: str, value: str
) -> None:
    answer = await paypal.create_order(order(amount_minor=amount_minor, currency=currency))

    (known,) = local_paypal.state.orders.values()
    assert known["purchase_units"][0]["amount"] == {"currency_code": currency, "value": value}
    assert (answer.amount_minor, answer.currency) == (amount_minor, currency)


@pytest.mark.parametrize(("amount_minor", "currency"), [(50_001, "HUF"), (99, "TWD"), (1_234, "TND")])
async def test_an_amount_that_paypal_cannot_express_is_refused_before_it_is_asked(
    paypal: PayPalConnector, local_paypal: LocalPayPal, amount_minor: int, currency: str
) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await paypal.create_order(order(amount_minor=amount_minor, currency=currency))

    assert refusal.value.field == "amount_minor"
    assert not local_paypal.requests


async def test_an_order_without_an_answer_is_unknown_and_is_the_same_when_it_is_asked_for_again(
    paypal_url: str, paypal_credentials: PayPalCredentials, paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    await fail_next(paypal_url, "silent_after")
    async with connected(paypal_credentials, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.create_order(order())

    answer = await paypal.create_order(order())
    assert [answer.provider_reference] == list(local_paypal.state.orders)


async def test_an_order_that_waits_for_the_payer_is_only_read(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    created = await paypal.create_order(order())

    answer = await paypal.fetch_status(status(created.provider_reference))

    assert said(answer) == [(FactKind.REQUIRES_ACTION, None)]
    assert answer.client_parameters == created.client_parameters
    assert local_paypal.movements == {}


@pytest.mark.parametrize(
    ("manual_capture", "kind", "moved"),
    [(False, FactKind.CAPTURED, "capture"), (True, FactKind.AUTHORIZED, "authorization")],
)
async def test_an_approved_order_is_completed_by_its_intent_when_it_is_read(
    paypal: PayPalConnector, local_paypal: LocalPayPal, manual_capture: bool, kind: FactKind, moved: str
) -> None:
    reference = (await paypal.create_order(order(manual_capture=manual_capture))).provider_reference
    local_paypal.pay(reference, "paid")

    answers = [await paypal.fetch_status(status(reference)) for _ in range(3)]

    (fact,) = answers[0].facts
    assert (fact.kind, fact.amount_minor, fact.currency, fact.trust) == (kind, 1000, "USD", Trust.SIGNED)
    assert (fact.provider_reference, fact.related_references) == (reference, (fact.movement_reference,))
    assert fact.movement_reference in local_paypal.state.payments
    assert fact.payment_id == "payment-1"
    assert [answer.facts for answer in answers[1:]] == [answers[0].facts] * 2
    assert answers[0].client_parameters == {}
    assert local_paypal.movements == {moved: 1}


async def test_the_redirect_and_the_fetch_complete_an_order_once_between_them(
    paypal_credentials: PayPalCredentials, paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")

    async with connected(paypal_credentials) as another:
        answers = await asyncio.gather(
            paypal.verify_redirect(redirect(reference, token=reference, PayerID="QYR5Z8XDVJNXQ")),
            another.fetch_status(status(reference)),
            another.fetch_status(status(reference)),
        )

    assert [said(answer) for answer in answers] == [[(FactKind.CAPTURED, 1000)]] * 3
    assert local_paypal.movements == {"capture": 1}
    completions = [key for path, key in local_paypal.answered if path.endswith("/capture")]
    assert len(completions) == 1


async def test_a_completion_without_an_answer_is_unknown_and_found_afterwards(
    paypal_url: str, paypal_credentials: PayPalCredentials, paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    await fail_next(paypal_url, "silent_after")
    async with connected(paypal_credentials, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.fetch_status(status(reference))

    assert said(await paypal.fetch_status(status(reference))) == [(FactKind.CAPTURED, 1000)]
    assert local_paypal.movements == {"capture": 1}


async def test_an_order_completed_between_reading_and_completing_is_read_again(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    approved = local_paypal.state.order(reference)
    local_paypal.state.complete_order(reference, "capture", None)
    local_paypal.shown_once[reference] = approved

    assert said(await paypal.fetch_status(status(reference))) == [(FactKind.CAPTURED, 1000)]
    assert local_paypal.movements == {"capture": 1}


async def test_an_approved_order_that_cannot_be_completed_is_no_answer(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    local_paypal.not_completed[reference] = "PAYEE_NOT_ENABLED"

    with pytest.raises(GatewayRejected, match="PAYEE_NOT_ENABLED"):
        await paypal.fetch_status(status(reference))

    assert local_paypal.movements == {}


async def test_a_payer_whose_choice_is_declined_may_choose_again(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    created = await paypal.create_order(order())
    reference = created.provider_reference
    local_paypal.pay(reference, "failed")

    declined = await paypal.verify_redirect(redirect(reference, token=reference))
    local_paypal.pay(reference, "paid")
    paid = await paypal.verify_redirect(redirect(reference, token=reference))

    assert said(declined) == [(FactKind.PROCESSING, None), (FactKind.ATTEMPT_FAILED, None)]
    assert str(declined.facts[1].reason).startswith("PayPal declined the payment: INSTRUMENT_DECLINED: ")
    assert declined.client_parameters == created.client_parameters
    assert said(paid) == [(FactKind.CAPTURED, 1000)]
    assert local_paypal.movements == {"capture": 1}


async def test_an_approval_that_paypal_took_back_cancels(paypal: PayPalConnector, local_paypal: LocalPayPal) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    local_paypal.pay(reference, "cancelled")

    assert said(await paypal.fetch_status(status(reference))) == [(FactKind.CANCELLED, None)]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"currency_code": "USD", "value": "0.01"}},
        {"amount": {"currency_code": "JPY", "value": "1000"}},
        {"amount": {"currency_code": "USD", "value": "ten"}},
        {"custom_id": "payment-2"},
        {"reference_id": "default"},
    ],
)
async def test_an_order_that_a_browser_has_changed_is_read_and_never_completed(
    paypal: PayPalConnector, local_paypal: LocalPayPal, change: dict[str, object]
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    local_paypal.state.orders[reference]["purchase_units"][0] |= change

    if change.get("amount") == {"currency_code": "USD", "value": "ten"}:
        with pytest.raises(OutcomeUnknown):
            await paypal.fetch_status(status(reference))
    else:
        assert said(await paypal.fetch_status(status(reference))) == [(FactKind.PROCESSING, None)]
    with pytest.raises(GatewayRejected, match="not as it was set up here"):
        await paypal.authorize(authorization(reference, WALLET))
    assert local_paypal.movements == {}


async def test_an_order_with_another_intent_is_not_completed(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order(manual_capture=True))).provider_reference
    local_paypal.pay(reference, "paid")
    local_paypal.state.orders[reference]["intent"] = "CAPTURE"

    assert said(await paypal.fetch_status(status(reference))) == [(FactKind.PROCESSING, None)]
    assert local_paypal.movements == {}


@pytest.mark.parametrize("payment_id", [None, "payment-2"])
async def test_an_order_that_is_read_for_nobody_or_for_another_payment_is_not_completed(
    paypal: PayPalConnector, local_paypal: LocalPayPal, payment_id: str | None
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")

    assert said(await paypal.fetch_status(status(reference, payment_id))) == [(FactKind.PROCESSING, None)]
    assert local_paypal.movements == {}


async def test_an_order_set_up_under_the_previous_secret_is_completed(
    paypal_url: str, paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    local_paypal.client_secret = "a-new-secret"
    changed = {"client_secret": "a-new-secret"}
    authority = SIGNER.authority.pem()

    async with connected(credentials_at(paypal_url, authority, **changed)) as forgetful:
        assert said(await forgetful.fetch_status(status(reference))) == [(FactKind.PROCESSING, None)]
    changed["previous_client_secret"] = "local-paypal-secret"
    async with connected(credentials_at(paypal_url, authority, **changed)) as rotated:
        assert said(await rotated.fetch_status(status(reference))) == [(FactKind.CAPTURED, 1000)]


async def test_a_browser_that_comes_back_from_another_order_proves_nothing(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")

    with pytest.raises(VerificationFailed) as refusal:
        await paypal.verify_redirect(redirect(reference, token="5O190127TN364715T"))

    assert refusal.value.code == "reference_mismatch"
    assert local_paypal.movements == {}
    assert said(await paypal.verify_redirect(redirect(reference))) == [(FactKind.CAPTURED, 1000)]


@pytest.mark.parametrize(
    ("token", "manual_capture", "kind"),
    [(WALLET, False, FactKind.CAPTURED), (CARD, False, FactKind.CAPTURED), (CARD, True, FactKind.AUTHORIZED)],
)
async def test_an_order_is_paid_by_a_saved_payment_method(
    paypal: PayPalConnector, local_paypal: LocalPayPal, token: str, manual_capture: bool, kind: FactKind
) -> None:
    reference = (await paypal.create_order(order(manual_capture=manual_capture))).provider_reference

    answers = [await paypal.authorize(authorization(reference, token, key)) for key in ("a-1", "a-1", "a-2")]

    assert [said(answer) for answer in answers] == [[(kind, 1000)]] * 3
    assert local_paypal.movements.total() == 1
    (body,) = [body for (path, _), (body, _) in local_paypal.answered.items() if reference in path]
    ((_, details),) = body["payment_source"].items()
    assert details == {
        "vault_id": token,
        "experience_context": {"return_url": RETURN_URL, "cancel_url": RETURN_URL},
    }


async def test_a_saved_payment_method_that_is_declined_declines_the_payment(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference

    for key in ("authorize-1", "authorize-2"):
        with pytest.raises(GatewayDeclined, match="response code 5120"):
            await paypal.authorize(authorization(reference, DECLINED_CARD, key))

    assert said(await paypal.fetch_status(status(reference))) == [(FactKind.FAILED, None)]
    assert local_paypal.movements == {}


async def test_a_token_that_is_not_there_is_refused(paypal: PayPalConnector, local_paypal: LocalPayPal) -> None:
    reference = (await paypal.create_order(order())).provider_reference

    with pytest.raises(GatewayRejected, match="does not exist"):
        await paypal.authorize(authorization(reference, "nobody"))

    assert local_paypal.movements == {}


async def test_a_token_of_a_kind_that_is_not_known_cannot_be_charged(
    paypal: PayPalConnector, local_paypal: LocalPayPal
) -> None:
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.vault.tokens["banktoken1"] = {
        "id": "banktoken1",
        "payment_source": {"bank": {}},
        "customer": {"id": "c"},
    }

    with pytest.raises(GatewayRejected, match="nothing under this token"):
        await paypal.authorize(authorization(reference, "banktoken1"))

    assert local_paypal.movements == {}


async def test_a_name_from_outside_cannot_lead_elsewhere(paypal: PayPalConnector, local_paypal: LocalPayPal) -> None:
    with pytest.raises(GatewayRejected):
        await paypal.fetch_status(status("../../v1/customer/disputes?x="))

    assert not any("disputes" in path and "checkout" not in path for path in local_paypal.requests)


async def test_an_order_with_two_purchase_units_has_no_amount_of_its_own(paypal: PayPalConnector) -> None:
    unit = {"custom_id": "payment-1", "amount": {"currency_code": "USD", "value": "10.00"}}
    known = {"id": "5O190127TN364715T", "intent": "CAPTURE", "status": "APPROVED", "purchase_units": [unit, unit]}
    async with (
        fault_server(answers(200, known), preliminary=CASES.preliminary) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as connector,
    ):
        answer = await connector.fetch_status(status("5O190127TN364715T"))

    assert (answer.amount_minor, answer.currency, said(answer)) == (None, None, [(FactKind.PROCESSING, None)])
    assert server.writes == []


async def test_the_same_key_for_another_order_leaves_the_outcome_unknown(paypal: PayPalConnector) -> None:
    await paypal.create_order(order())

    with pytest.raises(OutcomeUnknown, match="earlier request"):
        await paypal.create_order(replace(order(), amount_minor=2000))
