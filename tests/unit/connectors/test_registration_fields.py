"""What the credentials of several gateways ask for in one way."""

import pytest
from pydantic import SecretStr, ValidationError

from connectors.base import CredentialsModel
from connectors.registration_fields import (
    api_base_field,
    own_credentials,
    previous_secret_field,
    return_url_field,
)
from domain.errors import InvalidInput


class Credentials(CredentialsModel):
    """Those of some gateway."""

    previous_secret: SecretStr | None = previous_secret_field("Previous secret", "Still accepted for a day.")
    return_url: str | None = return_url_field("It must be https.")
    api_base: str | None = api_base_field("Gateway", 8420)


class OtherCredentials(CredentialsModel):
    """Those of another gateway."""


def test_all_of_it_may_be_left_out() -> None:
    assert Credentials() == Credentials(previous_secret=None, return_url=None, api_base=None)


def test_every_field_explains_itself() -> None:
    told = {name: (field.title, field.description) for name, field in Credentials.model_fields.items()}

    assert told == {
        "previous_secret": ("Previous secret", "Still accepted for a day."),
        "return_url": (
            "Page after paying",
            "Where the payer goes back to when a payment names no page of its own. It must be https.",
        ),
        "api_base": (
            "API base URL",
            "Only for a stand-in of Gateway, such as http://127.0.0.1:8420. Leave it out for Gateway itself.",
        ),
    }


@pytest.mark.parametrize(
    "url", ["https://shop.example", "http://127.0.0.1:8000/back?a=1#b", "https://shop.example/%C3%A9"]
)
def test_a_page_is_an_address_on_the_web(url: str) -> None:
    assert Credentials(return_url=url).return_url == url


@pytest.mark.parametrize(
    "url", ["", "shop.example", "ftp://shop.example", "https://", "https://shop.example/a b", "https://shop.example/é"]
)
def test_anything_else_is_no_page(url: str) -> None:
    with pytest.raises(ValidationError):
        Credentials(return_url=url)


@pytest.mark.parametrize("secret", ["", "  "])
def test_an_empty_secret_is_none(secret: str) -> None:
    with pytest.raises(ValidationError):
        Credentials.model_validate({"previous_secret": secret})


def test_a_gateways_own_credentials_are_told_from_any_others() -> None:
    own = Credentials()

    assert own_credentials(Credentials, own, "Gateway") is own
    with pytest.raises(InvalidInput, match="these are not credentials for Gateway") as refusal:
        own_credentials(Credentials, OtherCredentials(), "Gateway")
    assert refusal.value.field == "credentials"
