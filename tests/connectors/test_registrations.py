"""A registration says what the gateway's connector really has, and no more."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

import connectors
from connectors.base import PROTOCOLS, Capability, CredentialsModel, Registration
from connectors.registry import build_connector, registrations
from domain.errors import InvalidInput
from domain.money import EXPONENTS
from tests.connectors.case import GatewayCases

REFINEMENTS = {
    Capability.PARTIAL_CAPTURES: Capability.CAPTURES,
    Capability.MULTIPLE_CAPTURES: Capability.PARTIAL_CAPTURES,
    Capability.PARTIAL_REFUNDS: Capability.REFUNDS,
}
FILES = {"__init__", "client", "errors", "registration", "status", "webhooks"}

every_gateway = pytest.mark.parametrize("registration", registrations(), ids=lambda registration: registration.key)


@every_gateway
def test_every_gateway_has_the_same_files(registration: Registration) -> None:
    folder = Path(connectors.__path__[0]) / registration.key

    assert {path.stem for path in folder.glob("*.py")} >= FILES


@every_gateway
def test_every_gateway_is_described(registration: Registration) -> None:
    assert registration.display_name
    assert registration.description.endswith(".")
    assert registration.currencies
    assert registration.currencies <= EXPONENTS.keys()
    assert registration.countries
    assert all(re.fullmatch("[A-Z]{2}", country) for country in registration.countries)
    assert registration.payment_methods


@every_gateway
def test_every_gateway_explains_its_credentials(registration: Registration) -> None:
    for name, field in registration.credentials.model_fields.items():
        assert field.title, name
        assert field.description, name


@every_gateway
def test_partial_operations_refine_operations_that_are_there(registration: Registration) -> None:
    capabilities = registration.capabilities

    assert {REFINEMENTS[capability] for capability in capabilities & REFINEMENTS.keys()} <= capabilities


@every_gateway
def test_another_gateways_credentials_are_refused(registration: Registration) -> None:
    with pytest.raises(InvalidInput):
        build_connector(registration.key, CredentialsModel())


def test_the_connector_has_exactly_the_protocols_it_is_registered_with(cases: GatewayCases) -> None:
    registration, connector = cases.registration, cases.connector()

    has = {capability for capability, protocol in PROTOCOLS.items() if isinstance(connector, protocol)}

    assert has == registration.capabilities & PROTOCOLS.keys()


def test_callbacks_are_signed_in_a_header_required_at_the_door(cases: GatewayCases) -> None:
    registration = cases.registration

    assert registration.key == cases.gateway
    assert cases.signature_header in registration.required_headers
    assert registration.acknowledgement.status_code == 200


def test_a_genuine_callback_carries_the_headers_required_at_the_door(cases: GatewayCases) -> None:
    names = {name for name, _ in cases.callback(cases.captured(1200, "USD")).headers}

    assert names >= set(cases.registration.required_headers)


def test_every_account_names_its_secrets_and_may_name_a_stand_in(cases: GatewayCases) -> None:
    fields = cases.registration.credentials.model_fields

    assert fields.keys() >= {"webhook_secret", "previous_webhook_secret", "api_base"}


def test_secrets_are_typed_as_secrets(cases: GatewayCases) -> None:
    credentials = cases.registration.credentials.model_validate(
        {**cases.credentials, "previous_webhook_secret": "before"}
    )

    secrets = {name for name, value in credentials if isinstance(value, SecretStr)}

    assert secrets == {name for name in credentials.model_fields_set if "secret" in name}


@pytest.mark.parametrize("change", [{"webhook_secret": ""}, {"webhook_secret": "  "}, {"surprise": "x"}])
def test_credentials_that_cannot_work_are_refused(cases: GatewayCases, change: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        cases.registration.credentials.model_validate({**cases.credentials, **change})


@pytest.mark.parametrize(
    ("api_base", "is_fine"),
    [
        ("http://127.0.0.1:8420", True),
        ("https://stand-in.example", True),
        ("https://stand-in.example/", False),
        ("ftp://stand-in.example", False),
        ("https://user:password@stand-in.example", False),
        ("stand-in.example", False),
    ],
)
def test_an_api_base_is_a_plain_origin(cases: GatewayCases, api_base: str, *, is_fine: bool) -> None:
    values = {**cases.credentials, "api_base": api_base}
    if is_fine:
        assert ("api_base", api_base) in list(cases.registration.credentials.model_validate(values))
    else:
        with pytest.raises(ValidationError):
            cases.registration.credentials.model_validate(values)
