"""Every gateway's credentials are described as data: what is needed, what is secret, what values there are."""

from enum import StrEnum
from typing import Literal

import pytest
from pydantic import Field, SecretStr, ValidationError

from connectors.base import CredentialsModel, Registration
from connectors.credentials import CredentialField, FieldKind, describe_credentials
from connectors.registry import get_registration, registrations

every_gateway = pytest.mark.parametrize("registration", registrations(), ids=lambda registration: registration.key)


class Speed(StrEnum):
    SLOW = "slow"
    FAST = "fast"


class SampleCredentials(CredentialsModel):
    user: str = Field(title="User", description="Who pays.")
    password: SecretStr = Field(title="Password", description="Its password.")
    old_password: SecretStr | None = Field(default=None, title="Old password", description="The one before.")
    region: Literal["eu", "na"] | None = Field(default="eu", title="Region", description="Where.")
    speed: Speed = Field(default=Speed.SLOW, title="Speed", description="How fast.")
    attempts: int = Field(default=3, title="Attempts", description="How often.")
    sandbox: bool = Field(default=False, title="Sandbox", description="Whether no money moves.")
    unexplained: str | None = None


SAMPLE = Registration(
    key="sample",
    display_name="Sample",
    description="A sample.",
    capabilities=frozenset(),
    currencies=frozenset(),
    countries=frozenset(),
    payment_methods=(),
    credentials=SampleCredentials,
    factory=lambda credentials: credentials,
)


def test_a_field_is_described_as_its_model_declares_it() -> None:
    text, integer, boolean = FieldKind.TEXT, FieldKind.INTEGER, FieldKind.BOOLEAN
    described = [
        ("user", "User", text, True, False, None, ()),
        ("password", "Password", text, True, True, None, ()),
        ("old_password", "Old password", text, False, True, None, ()),
        ("region", "Region", text, False, False, "eu", ("eu", "na")),
        ("speed", "Speed", text, False, False, "slow", ("slow", "fast")),
        ("attempts", "Attempts", integer, False, False, 3, ()),
        ("sandbox", "Sandbox", boolean, False, False, False, ()),
        ("unexplained", "unexplained", text, False, False, None, ()),
    ]

    fields = describe_credentials(SAMPLE)

    assert [
        (each.name, each.label, each.kind, each.required, each.secret, each.default, each.allowed_values)
        for each in fields
    ] == described
    assert [each.description for each in fields][:2] == ["Who pays.", "Its password."]


def test_a_default_is_of_the_fields_own_type() -> None:
    defaults = {field.name: field.default for field in describe_credentials(SAMPLE)}

    assert type(defaults["sandbox"]) is bool
    assert type(defaults["attempts"]) is int
    assert type(defaults["speed"]) is str


def test_a_secret_has_no_default_to_show() -> None:
    class Careless(CredentialsModel):
        key: SecretStr = Field(default=SecretStr("changeme"), title="Key", description="A key.")

    careless = Registration(**{name: getattr(SAMPLE, name) for name in SAMPLE.__slots__} | {"credentials": Careless})

    assert "changeme" not in repr(describe_credentials(careless))


@every_gateway
def test_every_field_of_every_gateway_is_explained(registration: Registration) -> None:
    fields = describe_credentials(registration)

    assert [field.name for field in fields] == list(registration.credentials.model_fields)
    assert all(field.label != field.name and field.description for field in fields)


@every_gateway
def test_what_is_required_is_what_the_model_asks_for(registration: Registration) -> None:
    try:
        registration.credentials.model_validate({})
    except ValidationError as error:
        missing = {str(item["loc"][0]) for item in error.errors() if item["type"] == "missing"}
    else:
        missing = set()

    assert {field.name for field in describe_credentials(registration) if field.required} == missing


@every_gateway
def test_a_default_is_among_the_allowed_values(registration: Registration) -> None:
    limited: list[CredentialField] = [field for field in describe_credentials(registration) if field.allowed_values]

    assert all(field.default in {None, *field.allowed_values} for field in limited)


def test_stripes_credentials() -> None:
    fields = {field.name: field for field in describe_credentials(get_registration("stripe"))}

    assert {name for name, field in fields.items() if field.required} == {
        "secret_key",
        "publishable_key",
        "webhook_secret",
    }
    assert {name for name, field in fields.items() if field.secret} == {
        "secret_key",
        "webhook_secret",
        "previous_webhook_secret",
    }


def test_allowed_values_come_from_the_model() -> None:
    fields = {field.name: field for field in describe_credentials(get_registration("klarna"))}

    assert fields["environment"].allowed_values == ("live", "playground")
    assert fields["environment"].default == "live"
    assert fields["tax_rate"].kind is FieldKind.INTEGER
