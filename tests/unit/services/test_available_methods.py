"""Which of an account's options take a purchase, in which order, by which methods."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Capability, CredentialsModel, Registration
from domain.errors import InvariantViolated
from services.available_methods import Purchase, available_methods
from services.payment_intents import NextStep, next_step
from storage.payment_options import PaymentOption

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def registration(key: str, *capabilities: Capability, **changes: object) -> Registration:
    """A gateway that takes cards and wallets in dollars and euros, in two countries."""
    values: dict[str, object] = {
        "key": key,
        "display_name": key.title(),
        "description": "A gateway.",
        "capabilities": frozenset(capabilities or {Capability.CREATES_ORDERS}),
        "currencies": frozenset({"USD", "EUR"}),
        "countries": frozenset({"US", "DE"}),
        "payment_methods": ("card", "wallet"),
        "credentials": CredentialsModel,
        "factory": lambda _: object(),
    }
    return Registration(**values | changes)  # type: ignore[arg-type]  # the values' types are those of the fields


def option(gateway: str = "one", **changes: object) -> PaymentOption:
    """An option that narrows nothing."""
    return replace(PaymentOption(account="acme", gateway=gateway, updated_at=NOW), **changes)  # type: ignore[arg-type]  # as above


GATEWAYS = (registration("one"), registration("two", payment_methods=("voucher",), countries=frozenset({"DE"})))


def offered(*options: PaymentOption, **purchase: object) -> list[tuple[str, tuple[str, ...]]]:
    """Gateways and their methods, in order."""
    wanted = Purchase(**purchase)  # type: ignore[arg-type]  # as above
    found = available_methods(options, GATEWAYS, wanted)
    return [(offer.registration.key, offer.payment_methods) for offer in found]


def test_everything_that_is_enabled_is_offered_by_priority_and_then_by_gateway() -> None:
    one, two = option("one"), option("two")

    assert offered(two, one) == [("one", ("card", "wallet")), ("two", ("voucher",))]
    assert offered(one, replace(two, priority=5)) == [("two", ("voucher",)), ("one", ("card", "wallet"))]
    assert offered(replace(one, enabled=False), two) == [("two", ("voucher",))]
    assert offered() == []


@pytest.mark.parametrize(
    ("changes", "purchase", "is_offered"),
    [
        ({}, {}, True),
        ({}, {"country": "US", "currency": "EUR"}, True),
        ({}, {"country": "FR"}, False),
        ({}, {"currency": "JPY"}, False),
        ({"countries": ("DE",)}, {"country": "US"}, False),
        ({"countries": ("DE",)}, {"country": "DE"}, True),
        ({"countries": ("DE",)}, {}, True),
        # An option widens nothing that its gateway lacks.
        ({"countries": ("FR",)}, {"country": "FR"}, False),
        ({"currencies": ("USD",)}, {"currency": "EUR"}, False),
        ({"currencies": ("USD",)}, {"currency": "USD"}, True),
        ({"currencies": ()}, {"currency": "USD"}, False),
        ({"min_amount_minor": 100}, {"amount_minor": 99}, False),
        ({"min_amount_minor": 100}, {"amount_minor": 100}, True),
        ({"max_amount_minor": 100}, {"amount_minor": 100}, True),
        ({"max_amount_minor": 100}, {"amount_minor": 101}, False),
        ({"min_amount_minor": 100, "max_amount_minor": 200}, {}, True),
        ({}, {"payment_method": "wallet"}, True),
        ({}, {"payment_method": "voucher"}, False),
        ({"payment_methods": ("wallet",)}, {"payment_method": "card"}, False),
        ({"payment_methods": ("voucher",)}, {"payment_method": "voucher"}, False),
        ({"payment_methods": ("voucher",)}, {}, False),
        ({"payment_methods": ()}, {}, False),
    ],
)
def test_an_option_and_its_gateway_must_both_take_the_purchase(
    changes: dict[str, Any], purchase: dict[str, Any], is_offered: bool
) -> None:
    assert bool(offered(option(**changes), **purchase)) is is_offered


def test_the_account_says_in_which_order_methods_are_shown_and_how_a_gateway_is_called() -> None:
    own = option(payment_methods=("wallet", "card"), display_name="Pay online")

    (offer,) = available_methods([own], GATEWAYS, Purchase())
    (plain,) = available_methods([option()], GATEWAYS, Purchase())

    assert (offer.payment_methods, offer.display_name) == (("wallet", "card"), "Pay online")
    assert plain.display_name == "One"


def test_a_gateway_that_is_gone_or_begins_no_payment_offers_nothing() -> None:
    mute = registration("mute", Capability.VERIFIES_WEBHOOKS)
    by_hand = registration("by_hand", Capability.APPROVED_BY_PEOPLE, Capability.GIVES_INSTRUCTIONS)
    options = [option("gone"), option("mute"), option("by_hand")]

    found = available_methods(options, [mute, by_hand], Purchase())

    assert [offer.registration.key for offer in found] == ["by_hand"]


TWO = st.sampled_from(["one", "two"])
OPTIONS = st.lists(
    st.builds(option, TWO, priority=st.integers(0, 3), enabled=st.booleans()),
    unique_by=lambda made: made.gateway,
)
PURCHASES = st.builds(
    Purchase,
    country=st.sampled_from([None, "US", "DE", "FR"]),
    currency=st.sampled_from([None, "USD", "JPY"]),
    amount_minor=st.none() | st.integers(1, 10),
    payment_method=st.sampled_from([None, "card", "voucher"]),
)


@given(OPTIONS, PURCHASES)
def test_knowing_more_of_a_purchase_never_offers_more(options: list[PaymentOption], purchase: Purchase) -> None:
    every = available_methods(options, GATEWAYS, Purchase())
    found = available_methods(reversed(options), GATEWAYS, purchase)

    assert {offer.option.gateway for offer in found} <= {offer.option.gateway for offer in every}
    assert all(offer.option.enabled for offer in found)
    order = [(offer.option.priority, offer.option.gateway) for offer in found]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("parameters", "step"),
    [
        (
            {"client_secret": "pi_1_secret", "publishable_key": "pk_1", "payment_intent_id": "pi_1"},
            NextStep(type="client_secret", client_secret="pi_1_secret", publishable_key="pk_1"),
        ),
        (
            {"order_id": "order_1", "key_id": "rzp_1"},
            NextStep(type="client_secret", client_secret="order_1", publishable_key="rzp_1"),
        ),
        (
            {"redirect_url": "https://pay.example", "client_token": "t"},
            NextStep(type="redirect", redirect_url="https://pay.example", client_secret="t"),
        ),
        (
            {"form_action": "https://pay.example", "form_fields": '{"amount": "10.99", "tries": 3}'},
            NextStep(type="form", form_action="https://pay.example", form_fields={"amount": "10.99", "tries": "3"}),
        ),
        (
            {"instructions": "Pay the bank", "method": "check", "transaction_reference": "order-1"},
            NextStep(type="instructions", instructions="Pay the bank"),
        ),
        ({}, NextStep()),
        ({"something": "else"}, NextStep()),
    ],
)
def test_what_the_payer_does_next_is_read_from_what_gateways_say(parameters: dict[str, str], step: NextStep) -> None:
    assert next_step(parameters) == step


@pytest.mark.parametrize("fields", ["", "[]", "{"])
def test_fields_of_a_form_are_an_object(fields: str) -> None:
    with pytest.raises(InvariantViolated):
        next_step({"form_action": "https://pay.example", "form_fields": fields})
