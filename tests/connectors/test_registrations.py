"""A registration says what the gateway's connector really has, and no more."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

import connectors
from connectors.base import PROTOCOLS, Capability, CredentialsModel, Registration
from connectors.registry import build_connector, get_registration, registrations
from domain.errors import InvalidInput
from domain.money import EXPONENTS
from tests.connectors.case import GatewayCases, HeaderProof

REFINEMENTS = {
    Capability.PARTIAL_CAPTURES: Capability.CAPTURES,
    Capability.MULTIPLE_CAPTURES: Capability.PARTIAL_CAPTURES,
    Capability.PARTIAL_REFUNDS: Capability.REFUNDS,
}
FILES = {"__init__", "client", "errors", "registration", "status", "webhooks"}
FOLDER = Path(connectors.__path__[0])
NAMES_OF_SECRETS = re.compile(r"secret|password|passphrase|token|private|(api|server|salt|hmac|signing)_key$")

every_gateway = pytest.mark.parametrize("registration", registrations(), ids=lambda registration: registration.key)


def test_every_folder_of_a_gateway_is_registered_once() -> None:
    folders = sorted(path.parent.name for path in FOLDER.glob("*/registration.py"))
    registered = [item.key for item in registrations() if item.credentials.__module__.startswith("connectors.")]

    assert registered == folders


@every_gateway
def test_every_gateway_is_found_by_its_key(registration: Registration) -> None:
    assert get_registration(registration.key) is registration
    assert registration.credentials.__module__ == f"connectors.{registration.key}.registration"


@every_gateway
def test_every_gateway_has_the_same_files(registration: Registration) -> None:
    assert {path.stem for path in (FOLDER / registration.key).glob("*.py")} >= FILES


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


def test_a_proof_in_a_header_is_required_at_the_door(cases: GatewayCases) -> None:
    registration = cases.registration

    assert registration.key == cases.gateway
    if isinstance(cases.proof, HeaderProof):
        assert (cases.proof.name in registration.required_headers) is cases.proof.required_at_the_door
    assert registration.acknowledgement.status_code == 200


def test_a_genuine_callback_carries_the_headers_required_at_the_door(cases: GatewayCases) -> None:
    names = {name for name, _ in cases.genuine().headers}

    assert names >= set(cases.registration.required_headers)


def test_every_account_names_its_secrets_and_may_name_a_stand_in(cases: GatewayCases) -> None:
    fields = cases.registration.credentials.model_fields

    assert fields.keys() >= {cases.secret_field, cases.previous_secret_field or cases.secret_field, "api_base"}


def test_secrets_are_typed_as_secrets(cases: GatewayCases) -> None:
    previous = {} if cases.previous_secret_field is None else {cases.previous_secret_field: cases.other_secret}
    credentials = cases.registration.credentials.model_validate({**cases.credentials, **previous})

    secrets = {name for name, value in credentials if isinstance(value, SecretStr)}

    assert secrets
    assert secrets >= {name for name in credentials.model_fields_set if NAMES_OF_SECRETS.search(name)}


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_account_without_a_secret_is_refused(cases: GatewayCases, empty: str) -> None:
    with pytest.raises(ValidationError):
        cases.registration.credentials.model_validate({**cases.credentials, cases.secret_field: empty})


def test_credentials_that_nobody_knows_are_refused(cases: GatewayCases) -> None:
    with pytest.raises(ValidationError):
        cases.registration.credentials.model_validate({**cases.credentials, "surprise": "x"})


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
