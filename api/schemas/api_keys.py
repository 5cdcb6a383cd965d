"""API keys as they are asked for and shown: a key itself exactly once, when it is made."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.filters import UtcDatetime
from services.api_keys import MAX_NAME_LENGTH, NewKey, Scope, prefix_of
from storage.api_keys import ApiKey, KeyKind, KeyMode
from topics.message import Name
from topics.safe_text import SafeText

CREATE_EXAMPLE: dict[str, JsonValue] = {
    "name": "shop backend",
    "scopes": ["payments:read", "payments:write"],
    "expires_at": "2030-01-01T00:00:00Z",
}

KeyId = Annotated[str, Field(pattern="^[a-z0-9]{16}$", examples=["k3j2h1g0f9e8d7c6"])]


class CreateApiKeyRequest(RequestModel):
    """A new key. Only an operator's key can make keys of other accounts than the one it speaks for now."""

    model_config = ConfigDict(json_schema_extra={"examples": [CREATE_EXAMPLE]})

    name: Annotated[SafeText, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_at: UtcDatetime | None = None
    kind: KeyKind = Field(default="merchant", description="An operator's key may be for several accounts.")
    accounts: Annotated[tuple[Name, ...], Field(max_length=100)] = Field(
        default=(), description="The account that the request is about when left out."
    )


class ApiKeyResponse(ResponseModel):
    """A key, without what it is used with."""

    id: str
    object: Literal["api_key"] = "api_key"
    prefix: str = Field(description="How the key begins.", examples=["ps_live_k3j2h1g0f9e8d7c6"])
    name: str
    kind: KeyKind
    mode: KeyMode
    accounts: list[str]
    scopes: list[Scope]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class CreatedApiKeyResponse(ApiKeyResponse):
    """A key that was just made."""

    secret: str = Field(description="The whole key. It is never shown again.")


def api_key_response(key: ApiKey) -> ApiKeyResponse:
    """Show a key."""
    return ApiKeyResponse.model_validate(_shown(key))


def created_api_key_response(made: NewKey) -> CreatedApiKeyResponse:
    """Show a key that was just made, with its secret."""
    return CreatedApiKeyResponse.model_validate(_shown(made.key) | {"secret": made.secret.get_secret_value()})


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "prefix": prefix_of(key),
        "name": key.name,
        "kind": key.kind,
        "mode": key.mode,
        "accounts": list(key.accounts),
        "scopes": list(key.scopes),
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
