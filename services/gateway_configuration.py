"""An account's gateways: their credentials, written and never read back, and how the gateway is offered to payers.

A gateway is configured when it has credentials. It then has a payment option as well, which says whether, when and with
what settings it is offered; both end together. Configuring, rotating and removing lock the credentials first.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connectors.base import CredentialsModel
from connectors.credentials import CredentialField, describe_credentials
from connectors.registry import get_registration
from domain.errors import InvalidInput, NotFound, PreconditionFailed
from services.accounts import open_values, parse_credentials, seal_credentials
from storage.accounts import SealedCredentials
from storage.payment_options import PaymentOption
from storage.sealing import KeyRing
from storage.unit_of_work import Database, Transaction

PREVIOUS = "previous_"
MASK = "••••"
SHOWN_LENGTH = 4
LONG_ENOUGH = 12
"""A secret this long stays one when its last four characters are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who changes something, when, and in which request, as the audit log is to have it."""

    actor: str
    request_id: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayChange:
    """What is to hold from now on. None leaves a value as it is; a new gateway needs its credentials."""

    credentials: Mapping[str, object] | None = field(default=None, repr=False)
    enabled: bool | None = None
    priority: int | None = None
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ShownCredential:
    """A field of stored credentials: as it is, or masked when it is a secret. None when it was left out."""

    field: CredentialField
    value: str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfiguration:
    """A configured gateway.

    `version` counts its credentials, and `key_id` names the key of the ring that they are under. A gateway that was
    configured elsewhere than here may have no payment option yet; it is shown with one that is not enabled.
    """

    account: str
    gateway: str
    version: int
    key_id: str
    credentials_updated_at: datetime
    credentials: tuple[ShownCredential, ...]
    option: PaymentOption

    @property
    def tag(self) -> str:
        """A name of what is configured now, which changes with every write but not with the key ring."""
        said = f"{self.gateway}:{self.version}:{self.credentials_updated_at}:{self.option.updated_at}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]


async def list_gateways(database: Database, ring: KeyRing, account: str) -> list[GatewayConfiguration]:
    """The account's configured gateways, by name."""
    async with database.transaction() as transaction:
        stored = await transaction.accounts.credentials_of(account)
        options = {option.gateway: option for option in await transaction.payment_options.all(account)}
    return [_shown(ring, one, options.get(one.gateway)) for one in stored]


async def get_gateway(database: Database, ring: KeyRing, account: str, gateway: str) -> GatewayConfiguration:
    """A configured gateway. Raises NotFound."""
    async with database.transaction() as transaction:
        return await _read(transaction, ring, account, gateway)


async def configure_gateway(
    database: Database,
    ring: KeyRing,
    account: str,
    gateway: str,
    change: GatewayChange,
    writer: Writer,
    *,
    if_match: str | None = None,
) -> tuple[GatewayConfiguration, bool]:
    """Store credentials and how the gateway is offered; returns what holds now, and whether it is new.

    Raises NotFound for an unknown gateway, InvalidInput naming the fields that are wrong, PreconditionFailed when
    `if_match` is given and is not the present tag.
    """
    get_registration(gateway)
    credentials = None if change.credentials is None else parse_credentials(gateway, change.credentials)
    async with database.transaction(writer.actor, writer.request_id) as transaction:
        stored = await transaction.accounts.get_credentials(account, gateway, lock=True)
        option = await transaction.payment_options.get(account, gateway, lock=True)
        present = None if stored is None else _shown(ring, stored, option)
        if if_match is not None and (present is None or if_match != present.tag):
            raise PreconditionFailed("the gateway's configuration has been changed meanwhile: read it again")
        if credentials is not None:
            await _put(transaction, ring, account, gateway, credentials)
        elif stored is None:
            raise InvalidInput(f"{gateway} is not configured yet: its credentials are needed", field="credentials")
        changed = _change_option(option, account, gateway, change, writer.now)
        if changed is not option:
            await transaction.payment_options.put(changed)
        return await _read(transaction, ring, account, gateway), stored is None


async def rotate_secrets(
    database: Database,
    ring: KeyRing,
    account: str,
    gateway: str,
    changes: Mapping[str, object],
    writer: Writer,
    *,
    keep_previous: bool = True,
) -> GatewayConfiguration:
    """Put new secrets in the place of those that callbacks are proven with, and accept the present ones further on.

    `changes` has values for fields that have a partner named `previous_…`. Fields whose names begin with the same word,
    such as a username and its password, belong together: what they are now becomes their previous value as a whole.
    Without `keep_previous` the present secrets are refused from now on.

    Raises NotFound, and InvalidInput for a field that cannot be rotated or a value that is in use already.
    """
    async with database.transaction(writer.actor, writer.request_id) as transaction:
        stored = await _lock(transaction, account, gateway)
        rotated = _rotated(gateway, open_values(ring, stored), changes, keep_previous=keep_previous)
        await _put(transaction, ring, account, gateway, parse_credentials(gateway, rotated))
        return await _read(transaction, ring, account, gateway)


async def remove_gateway(database: Database, account: str, gateway: str, writer: Writer) -> None:
    """Delete the credentials and the payment option. Raises NotFound.

    From then on callbacks of this gateway are turned away, and its payments can be neither captured nor refunded.
    """
    async with database.transaction(writer.actor, writer.request_id) as transaction:
        await _lock(transaction, account, gateway)
        await transaction.payment_options.remove(account, gateway)
        await transaction.accounts.remove_credentials(account, gateway)


def not_configured(account: str, gateway: str) -> NotFound:
    """The error of whoever asks for a gateway that the account has no credentials for."""
    return NotFound(f"account {account!r} has no gateway {gateway!r}", field="gateway")


def rotatable_fields(model: type[CredentialsModel]) -> tuple[str, ...]:
    """The fields of a gateway's credentials that can be rotated: those with a partner named `previous_…`."""
    return tuple(name for name in model.model_fields if PREVIOUS + name in model.model_fields)


def mask(secret: str) -> str:
    """What of a secret may be shown: its end, if that gives nothing away."""
    return MASK + secret[-SHOWN_LENGTH:] if len(secret) >= LONG_ENOUGH else MASK


async def _read(transaction: Transaction, ring: KeyRing, account: str, gateway: str) -> GatewayConfiguration:
    stored = await transaction.accounts.get_credentials(account, gateway)
    if stored is None:
        raise not_configured(account, gateway)
    return _shown(ring, stored, await transaction.payment_options.get(account, gateway))


async def _lock(transaction: Transaction, account: str, gateway: str) -> SealedCredentials:
    stored = await transaction.accounts.get_credentials(account, gateway, lock=True)
    if stored is None:
        raise not_configured(account, gateway)
    return stored


async def _put(
    transaction: Transaction, ring: KeyRing, account: str, gateway: str, credentials: CredentialsModel
) -> None:
    await transaction.accounts.put_credentials(account, gateway, seal_credentials(ring, account, gateway, credentials))


def _change_option(
    option: PaymentOption | None, account: str, gateway: str, change: GatewayChange, now: datetime
) -> PaymentOption:
    if option is not None and change.enabled is None and change.priority is None and change.settings is None:
        return option
    present = option or PaymentOption(account=account, gateway=gateway, updated_at=now)
    return replace(
        present,
        enabled=present.enabled if change.enabled is None else change.enabled,
        priority=present.priority if change.priority is None else change.priority,
        settings=present.settings if change.settings is None else change.settings,
        updated_at=now,
    )


def _rotated(
    gateway: str, present: Mapping[str, Any], changes: Mapping[str, object], *, keep_previous: bool
) -> dict[str, object]:
    rotatable = rotatable_fields(get_registration(gateway).credentials)
    for name, value in changes.items():
        if name not in rotatable:
            can = ", ".join(rotatable) or "none"
            raise InvalidInput(f"{name} of {gateway} cannot be rotated; these can: {can}", field=f"credentials.{name}")
        if keep_previous and value == present.get(name):
            raise InvalidInput(f"{name} has this value already", field=f"credentials.{name}")
    together = {_first_word(name) for name in changes}
    moved = [name for name in rotatable if _first_word(name) in together]
    previous = {PREVIOUS + name: present.get(name) if keep_previous else None for name in moved}
    return {**present, **previous, **changes}


def _first_word(name: str) -> str:
    return name.partition("_")[0]


def _shown(ring: KeyRing, stored: SealedCredentials, option: PaymentOption | None) -> GatewayConfiguration:
    values = open_values(ring, stored)
    fields = _fields_of(stored.gateway)
    return GatewayConfiguration(
        account=stored.account,
        gateway=stored.gateway,
        version=stored.version,
        key_id=stored.sealed.key_id,
        credentials_updated_at=stored.updated_at,
        credentials=tuple(ShownCredential(each, _shown_value(each, values.get(each.name))) for each in fields),
        option=option or _not_offered(stored),
    )


def _not_offered(stored: SealedCredentials) -> PaymentOption:
    return PaymentOption(account=stored.account, gateway=stored.gateway, enabled=False, updated_at=stored.updated_at)


def _fields_of(gateway: str) -> tuple[CredentialField, ...]:
    try:
        return describe_credentials(get_registration(gateway))
    except NotFound:
        # Its package is no longer installed: what it has stored cannot be told from its secrets.
        return ()


def _shown_value(described: CredentialField, value: Any) -> str | int | bool | None:  # noqa: ANN401 - from JSON
    if value is None or not described.secret:
        return value if value is None or isinstance(value, str | int | bool) else str(value)
    return mask(str(value))
