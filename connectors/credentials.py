"""What an account tells a gateway's connector, described as data: for forms, documents and the command line."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from connectors.base import Registration


class FieldKind(StrEnum):
    """How a field is written in JSON."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One field of a gateway's credentials.

    - `name`: its key in the JSON object that is stored; `label` and `description` are for people.
    - `secret`: it is never shown again once it is stored. All fields are stored encrypted, secret or not.
    - `default`: what counts when it is left out; None where that is nothing, and for every secret.
    - `allowed_values`: the only values it may have; empty where any value of its kind may do.
    """

    name: str
    label: str
    description: str
    kind: FieldKind
    required: bool
    secret: bool
    default: str | int | bool | None = None
    allowed_values: tuple[str, ...] = ()


def describe_credentials(registration: Registration) -> tuple[CredentialField, ...]:
    """Describe a gateway's credentials, field by field, in the order in which the gateway explains them."""
    return tuple(_describe(name, info) for name, info in registration.credentials.model_fields.items())


def _describe(name: str, info: FieldInfo) -> CredentialField:
    declared = _without_none(info.annotation)
    secret = SecretStr in declared
    return CredentialField(
        name=name,
        label=info.title or name,
        description=info.description or "",
        kind=_kind_of(declared),
        required=info.is_required(),
        secret=secret,
        default=None if secret or info.is_required() else _plain(info.get_default(call_default_factory=False)),
        allowed_values=tuple(value for each in declared for value in _values_of(each)),
    )


def _without_none(annotation: object) -> tuple[object, ...]:
    """The types that a value may have, None apart."""
    is_union = get_origin(annotation) in {Union, UnionType}
    return tuple(each for each in get_args(annotation) if each is not NoneType) if is_union else (annotation,)


def _kind_of(declared: tuple[object, ...]) -> FieldKind:
    if declared == (bool,):
        return FieldKind.BOOLEAN
    return FieldKind.INTEGER if declared == (int,) else FieldKind.TEXT


def _values_of(declared: object) -> tuple[str, ...]:
    if get_origin(declared) is Literal:
        return tuple(str(value) for value in get_args(declared))
    if isinstance(declared, type) and issubclass(declared, Enum):
        return tuple(str(member.value) for member in declared)
    return ()


def _plain(value: object) -> str | int | bool | None:
    if isinstance(value, Enum):
        value = value.value
    return value if value is None or isinstance(value, str | int | bool) else str(value)
