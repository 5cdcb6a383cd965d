"""The links, customers and recurring payments of the stand-in for Razorpay."""

from typing import Any

import pytest

from devstack.gateways.razorpay_entities import Entity, Refusal
from devstack.gateways.razorpay_ledger import RazorpayLedger
from devstack.gateways.razorpay_links import RazorpayLinks
from devstack.gateways.razorpay_mandates import RazorpayMandates

LINK = {"amount": 50000, "currency": "INR", "reference_id": "payment-1", "description": "Two coffees"}
REACHABLE = {"name": "A Payer", "email": "payer@example.com", "contact": "+919000090000"}
REGISTRATION = {"type": "link", "amount": 100, "currency": "INR", "description": "Later charges", "customer": REACHABLE}


@pytest.fixture
def ledger() -> RazorpayLedger:
    return RazorpayLedger("processed")


@pytest.fixture
def links(ledger: RazorpayLedger) -> RazorpayLinks:
    return RazorpayLinks(ledger, "key-secret")


@pytest.fixture
def mandates(ledger: RazorpayLedger) -> RazorpayMandates:
    return RazorpayMandates(ledger, "key-secret")


def recurring(ledger: RazorpayLedger, payment: Entity, **changes: object) -> dict[str, Any]:
    order = ledger.create_order({"amount": 50000, "currency": "INR"})
    body = {"email": REACHABLE["email"], "contact": REACHABLE["contact"], "amount": 50000, "currency": "INR"}
    owner = {"customer_id": payment["customer_id"], "token": payment["token_id"]}
    return {**body, **owner, "order_id": order["id"], "recurring": 1, **changes}


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"surprise": 1}, "surprise is/are not required"),
        ({"reference_id": "x" * 41}, "40 characters"),
        ({"description": "x" * 2049}, "2048 characters"),
        ({"expire_by": 1}, "15 minutes"),
        ({"amount": "50000"}, "must be an integer"),
    ],
)
def test_a_link_that_is_not_right_is_refused(links: RazorpayLinks, change: Entity, description: str) -> None:
    with pytest.raises(Refusal, match=description):
        links.create(LINK | change)


def test_a_reference_belongs_to_one_link(links: RazorpayLinks) -> None:
    link = links.create(LINK)

    assert links.find_all("payment-1") == [link]
    with pytest.raises(Refusal, match="already exists"):
        links.create(LINK)


def test_a_link_is_paid_once_or_cancelled(links: RazorpayLinks) -> None:
    paid, cancelled = links.create(LINK), links.create(LINK | {"reference_id": "payment-2"})
    payment = links.pay(paid["id"])["payment"]
    links.cancel(cancelled["id"])

    assert (payment["status"], payment["order_id"]) == ("captured", paid["order_id"])
    assert [made["payment_id"] for made in paid["payments"]] == [payment["id"]]
    for link in (paid, cancelled):
        with pytest.raises(Refusal):
            links.pay(link["id"])
        with pytest.raises(Refusal):
            links.cancel(link["id"])


def test_a_registration_knows_a_customer_again(mandates: RazorpayMandates) -> None:
    customer = mandates.create_customer(REACHABLE)

    assert mandates.register(REGISTRATION)["customer_id"] == customer["id"]
    assert mandates.register(REGISTRATION | {"customer": {"name": "Another"}})["customer_id"] != customer["id"]


def test_a_confirmed_mandate_has_a_token_that_can_be_charged(
    ledger: RazorpayLedger, mandates: RazorpayMandates
) -> None:
    invoice = mandates.register(REGISTRATION)
    payment = mandates.confirm(invoice["id"])
    body = recurring(ledger, payment)
    charged = mandates.charge(body)

    assert (invoice["status"], invoice["payment_id"]) == ("paid", payment["id"])
    assert ledger.payment(charged["razorpay_payment_id"])["status"] == "captured"
    with pytest.raises(Refusal, match="already paid"):
        mandates.charge(body)


@pytest.mark.parametrize(
    "change",
    [
        {"token": "token_1"},
        {"customer_id": "cust_1"},
        {"amount": 40000},
        {"email": ""},
        {"contact": None},
        {"surprise": 1},
    ],
)
def test_a_charge_that_is_not_right_is_refused(
    ledger: RazorpayLedger, mandates: RazorpayMandates, change: Entity
) -> None:
    payment = mandates.confirm(mandates.register(REGISTRATION)["id"])

    with pytest.raises(Refusal):
        mandates.charge(recurring(ledger, payment, **change))
