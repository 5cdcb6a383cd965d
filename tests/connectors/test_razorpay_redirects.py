"""What a payer's browser brings back from Razorpay: proven by the key secret, and then read back all the same."""

import hashlib
import hmac

import pytest

from connectors.base import OrderRequest, PaymentLinkRequest, RedirectRequest
from connectors.razorpay.client import RazorpayConnector
from connectors.razorpay.redirects import check_redirect
from devstack.gateways.razorpay import KEY_SECRET
from domain.errors import VerificationFailed
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.local_razorpay import Payer

PUBLISHED_SECRET = "keysecret"
CHECKOUT = {
    "razorpay_order_id": "order_ABC123",
    "razorpay_payment_id": "pay_XYZ789",
    "razorpay_signature": "0a5a8a1534567589f19c443c384e0f264cd47c8cbc25fe1f5bb00be3a742192d",
}
LINK = {
    "razorpay_payment_id": "pay_XYZ789",
    "razorpay_payment_link_id": "plink_1",
    "razorpay_payment_link_reference_id": "ref_1",
    "razorpay_payment_link_status": "paid",
    "razorpay_signature": "0f3e88e119c267568cee2d4cc82995bc15affe533b3adae0a9a77b3a5e75f31a",
}


def redirect(reference: str, parameters: dict[str, str], payment_id: str = "ref_1") -> RedirectRequest:
    return RedirectRequest(payment_id=payment_id, account=ACCOUNT, provider_reference=reference, parameters=parameters)


def order(key: str) -> OrderRequest:
    return OrderRequest(
        payment_id=f"payment-{key}", account=ACCOUNT, idempotency_key=key, amount_minor=50000, currency="INR"
    )


def proof(order_id: str, payment_id: str, secret: str = KEY_SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), f"{order_id}|{payment_id}".encode(), hashlib.sha256).hexdigest()
    return {"razorpay_order_id": order_id, "razorpay_payment_id": payment_id, "razorpay_signature": signature}


def code_of_refusal(request: RedirectRequest, secret: str = PUBLISHED_SECRET) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        check_redirect(request, secret)
    return refusal.value.code


@pytest.mark.parametrize(
    ("reference", "parameters"), [("order_ABC123", CHECKOUT), ("plink_1", LINK), ("order_ABC123", LINK)]
)
def test_the_published_proofs_hold(reference: str, parameters: dict[str, str]) -> None:
    check_redirect(redirect(reference, parameters), PUBLISHED_SECRET)


@pytest.mark.parametrize(("reference", "parameters"), [("order_ABC123", CHECKOUT), ("plink_1", LINK)])
def test_a_proof_with_anything_changed_or_missing_does_not_hold(reference: str, parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        tampered = {**parameters, name: value[:-1] + ("0" if value[-1] != "0" else "1")}
        missing = {other: parameters[other] for other in parameters if other != name}
        assert code_of_refusal(redirect(reference, tampered)) in {"signature_invalid", "reference_mismatch"}
        if name != "razorpay_order_id":
            assert code_of_refusal(redirect(reference, missing)) in {"signature_missing", "signature_invalid"}
        assert code_of_refusal(redirect(reference, {**parameters, name: ""})) != ""


def test_a_proof_by_another_secret_does_not_hold() -> None:
    assert code_of_refusal(redirect("order_ABC123", CHECKOUT), "another") == "signature_invalid"
    assert code_of_refusal(redirect("plink_1", LINK), "another") == "signature_invalid"


@pytest.mark.parametrize("signature", ["é" * 64, "\x00", "0" * 64])
def test_a_signature_that_is_none_does_not_hold(signature: str) -> None:
    parameters = {**CHECKOUT, "razorpay_signature": signature}

    assert code_of_refusal(redirect("order_ABC123", parameters)) == "signature_invalid"


@pytest.mark.parametrize(
    ("reference", "payment_id", "parameters"),
    [
        ("order_another", "ref_1", CHECKOUT),
        ("plink_another", "ref_1", LINK),
        ("plink_1", "ref_another", LINK),
        ("order_ABC123", "ref_another", LINK),
    ],
)
def test_a_good_proof_of_another_payment_is_refused(
    reference: str, payment_id: str, parameters: dict[str, str]
) -> None:
    assert code_of_refusal(redirect(reference, parameters, payment_id)) == "reference_mismatch"


def test_the_order_we_know_counts_not_the_one_the_browser_leaves_out() -> None:
    parameters = {name: value for name, value in CHECKOUT.items() if name != "razorpay_order_id"}

    check_redirect(redirect("order_ABC123", parameters), PUBLISHED_SECRET)
    assert code_of_refusal(redirect("order_another", parameters)) == "signature_invalid"


@pytest.mark.parametrize(("outcome", "kind"), [("captured", FactKind.CAPTURED), ("failed", FactKind.ATTEMPT_FAILED)])
async def test_a_proven_payment_is_what_razorpay_says_it_is(
    razorpay: RazorpayConnector, payer: Payer, key: str, outcome: str, kind: FactKind
) -> None:
    order_id = (await razorpay.create_order(order(key))).provider_reference
    payment = await payer.pay(order_id, outcome, payment_id="somebody-elses")
    answer = await razorpay.verify_redirect(redirect(order_id, proof(order_id, payment["id"])))
    (fact,) = (fact for fact in answer.facts if fact.movement_reference == payment["id"])

    assert answer.provider_reference == order_id
    assert (fact.kind, fact.payment_id) == (kind, f"payment-{key}")


async def test_a_false_proof_asks_nobody(razorpay: RazorpayConnector, payer: Payer, key: str) -> None:
    order_id = (await razorpay.create_order(order(key))).provider_reference
    payment = await payer.pay(order_id, "captured")

    with pytest.raises(VerificationFailed):
        await razorpay.verify_redirect(redirect(order_id, proof(order_id, payment["id"], "another")))


async def test_a_payment_by_a_link_is_proven(razorpay: RazorpayConnector, payer: Payer, key: str) -> None:
    made = await razorpay.create_payment_link(
        PaymentLinkRequest(
            payment_link_id="link-1",
            payment_id=f"payment-{key}",
            account=ACCOUNT,
            idempotency_key=key,
            amount_minor=50000,
            currency="INR",
            description="Two coffees",
        )
    )
    paid = await payer.pay_link(made.provider_reference)
    for reference in (made.provider_reference, paid["payment"]["order_id"]):
        answer = await razorpay.verify_redirect(redirect(reference, paid["redirect"], f"payment-{key}"))
        assert [(fact.kind, fact.payment_id) for fact in answer.facts] == [(FactKind.CAPTURED, f"payment-{key}")]
