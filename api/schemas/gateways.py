"""An account's gateways: credentials that are written and never read back, and how the gateway is offered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, SecretStr, StrictBool, StrictInt, model_validator

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.json_objects import SmallJsonObject
from api.schemas.payment_options import Priority
from api.schemas.providers import callback_url
from connectors.registry import get_registration
from domain.errors import NotFound
from services.gateway_checks import GatewayCheck, Outcome
from services.gateway_configuration import GatewayChange, GatewayConfiguration

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Credential = Annotated[SecretStr, Field(max_length=20_000)] | StrictInt | StrictBool | None
Credentials = Annotated[
    dict[FieldName, Credential],
    Field(min_length=1, max_length=50, description="By field, as `GET /v1/providers/{gateway}` describes them."),
]


class ConfigureGatewayRequest(RequestModel):
    """A gateway's configuration. What is left out stays as it is; a new gateway needs its credentials.

    Credentials are replaced as a whole, and take effect within a second everywhere.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "credentials": {
                        "secret_key": "sk_test_example",
                        "publishable_key": "pk_test_example",
                        "webhook_secret": "whsec_example",
                    },
                    "priority": 10,
                }
            ]
        }
    )

    credentials: Credentials | None = None
    enabled: bool | None = Field(default=None, description="Whether it is offered to payers. A new gateway is.")
    priority: Priority | None = Field(default=None, description="The least comes first; a new gateway has 100.")
    settings: SmallJsonObject | None = Field(default=None, description="Anything of yours to keep beside it.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("say what is to change")
        return self

    def change(self) -> GatewayChange:
        """What is to hold."""
        return GatewayChange(
            credentials=None if self.credentials is None else revealed(self.credentials),
            enabled=self.enabled,
            priority=self.priority,
            settings=self.settings,
        )


class RotateSecretsRequest(RequestModel):
    """New values for what callbacks are proven with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"credentials": {"webhook_secret": "whsec_new"}}]})

    credentials: Credentials
    keep_previous: bool = Field(
        default=True,
        description="Accept the present values further on, until the next rotation. False refuses them from now on, as "
        "after a leak; with the present values again it ends an earlier rotation.",
    )


class CredentialResponse(ResponseModel):
    """A field of stored credentials."""

    name: str
    label: str
    secret: bool
    value: str | int | bool | None = Field(
        description="Null when it was left out. Of a secret, its last four characters at the most.",
        examples=["••••9f3c"],
    )


class GatewayResponse(ResponseModel):
    """A configured gateway of an account."""

    object: Literal["gateway"] = "gateway"
    account: str
    gateway: str
    enabled: bool
    priority: int
    settings: dict[str, JsonValue]
    credentials: list[CredentialResponse]
    version: int = Field(description="Counts the changes of the credentials.")
    key_id: str = Field(description="The key of the ring that the credentials are encrypted under.")
    callback_url: str | None = Field(description="Where the gateway posts callbacks; null where it posts none.")
    updated_at: datetime


class GatewayTestResponse(ResponseModel):
    """What came of asking a gateway for a payment that cannot exist."""

    object: Literal["gateway_test"] = "gateway_test"
    gateway: str
    ok: bool = Field(description="Whether the gateway answered and took the credentials.")
    code: Outcome
    message: str


def revealed(credentials: dict[FieldName, Credential]) -> dict[str, object]:
    """Credentials as their gateway's own model reads them."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in credentials.items()
    }


def gateway_response(configured: GatewayConfiguration, public_url: str) -> GatewayResponse:
    """Show a configured gateway."""
    option = configured.option
    return GatewayResponse(
        account=configured.account,
        gateway=configured.gateway,
        enabled=option.enabled,
        priority=option.priority,
        settings=dict(option.settings),
        credentials=[
            CredentialResponse(
                name=shown.field.name, label=shown.field.label, secret=shown.field.secret, value=shown.value
            )
            for shown in configured.credentials
        ],
        version=configured.version,
        key_id=configured.key_id,
        callback_url=_callback_url(configured, public_url),
        updated_at=max(configured.credentials_updated_at, option.updated_at),
    )


def gateway_test_response(gateway: str, check: GatewayCheck) -> GatewayTestResponse:
    """Show what came of a test."""
    return GatewayTestResponse(gateway=gateway, ok=check.is_accepted, code=check.outcome, message=check.message)


def _callback_url(configured: GatewayConfiguration, public_url: str) -> str | None:
    try:
        return callback_url(get_registration(configured.gateway), public_url, configured.account)
    except NotFound:
        return None
