"""What the credentials of several gateways have in common, so that it is asked for and checked in one way.

The functions stand where pydantic's `Field` does, and like it claim to be the value of the field that they describe.
"""

from typing import TypeVar

from pydantic import Field, SecretStr

from connectors.base import CredentialsModel
from domain.errors import InvalidInput

API_BASE_PATTERN = r"^https?://[^\s/@?#]+$"
"""An origin, to which the paths of the API are put."""

URL_PATTERN = r"^https?://[\x21-\x7e]+$"
"""An address as it stands in a request: printable ASCII, where everything else is written with percent signs."""

PLAIN_URL_PATTERN = r"^https?://[^\s?#@]+$"
"""An address of nothing but a host and a path."""

Credentials = TypeVar("Credentials", bound=CredentialsModel)


def api_base_field(gateway: str, port: int) -> str | None:
    """Where a stand-in of the gateway's API listens; nothing for the gateway itself. `port` is that of the example."""
    return Field(
        default=None,
        pattern=API_BASE_PATTERN,
        title="API base URL",
        description=(
            f"Only for a stand-in of {gateway}, such as http://127.0.0.1:{port}. Leave it out for {gateway} itself."
        ),
    )


def previous_secret_field(title: str, description: str) -> SecretStr | None:
    """A secret that was replaced and still proves callbacks for a while."""
    return Field(default=None, min_length=1, title=title, description=description)


def return_url_field(note: str = "") -> str | None:
    """Where payers go back to when a payment does not say; `note` is what else is to be known of it."""
    description = "Where the payer goes back to when a payment names no page of its own."
    return Field(
        default=None, pattern=URL_PATTERN, title="Page after paying", description=f"{description} {note}".strip()
    )


def own_credentials(model: type[Credentials], credentials: CredentialsModel, gateway: str) -> Credentials:
    """Return the credentials when they are those of the gateway's own model. Raises InvalidInput for any others."""
    if not isinstance(credentials, model):
        raise InvalidInput(f"these are not credentials for {gateway}", field="credentials")
    return credentials
