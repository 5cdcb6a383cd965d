"""Manual payments: no API, no callbacks, and words for the payer."""

import pytest
from pydantic import ValidationError

from connectors.base import PROTOCOLS, Capability, GivesInstructions
from connectors.manual.client import ManualConnector
from connectors.manual.registration import PAYMENT_METHODS, REGISTRATION, ManualCredentials
from connectors.registry import build_connector, get_registration
from domain.errors import InvalidInput
from domain.money import EXPONENTS

TEXT = "Bank of Somewhere\nAccount 123 456"


def connector(**instructions: str) -> ManualConnector:
    built = build_connector("manual", ManualCredentials.model_validate(instructions))
    assert isinstance(built, ManualConnector)
    return built


def test_it_is_registered_as_approved_by_people() -> None:
    assert get_registration("manual") is REGISTRATION
    assert REGISTRATION.capabilities == {Capability.APPROVED_BY_PEOPLE, Capability.GIVES_INSTRUCTIONS}
    assert REGISTRATION.currencies == EXPONENTS.keys()
    assert REGISTRATION.required_headers == ()


def test_it_has_no_other_protocol() -> None:
    built = connector()

    assert [protocol for protocol in PROTOCOLS.values() if isinstance(built, protocol)] == [GivesInstructions]


@pytest.mark.parametrize("method", PAYMENT_METHODS)
def test_every_method_has_instructions_of_its_own(method: str) -> None:
    built = connector(**{f"{method}_instructions": f"{TEXT} by {method}"})

    assert built.instructions(method) == f"{TEXT} by {method}"
    for other in set(PAYMENT_METHODS) - {method}:
        with pytest.raises(InvalidInput, match="does not take") as refusal:
            built.instructions(other)
        assert refusal.value.field == "method"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "line"),
    [(1250, "EUR", "Amount: EUR 12.50"), (1250, "JPY", "Amount: JPY 1250"), (1250, "KWD", "Amount: KWD 1.250")],
)
def test_the_amount_and_the_reference_follow_the_accounts_own_text(amount_minor: int, currency: str, line: str) -> None:
    told = connector(check_instructions=TEXT).instructions(
        "check", reference="payment-1", amount_minor=amount_minor, currency=currency
    )

    assert told == f"{TEXT}\n{line}\nReference: payment-1"


@pytest.mark.parametrize("method", ["", "card", "cash", "Check"])
def test_another_method_is_refused(method: str) -> None:
    with pytest.raises(InvalidInput, match="not a manual payment method"):
        connector(check_instructions=TEXT).instructions(method)


@pytest.mark.parametrize("values", [{"check_instructions": " "}, {"check_instructions": "x" * 2001}, {"cash": TEXT}])
def test_instructions_that_cannot_be_meant_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ManualCredentials.model_validate(values)
