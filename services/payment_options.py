"""What an account offers to its payers: which gateways, in which order, and what of each."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.base import Registration
from connectors.registry import get_registration
from domain.errors import InvalidInput, NotFound, PreconditionFailed, Refused
from services.gateway_configuration import Writer
from storage.payment_options import DEFAULT_PRIORITY, PaymentOption
from storage.unit_of_work import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionTerms:
    """How a gateway is to be offered. None narrows nothing: all that the gateway has. Bounds are in minor units."""

    gateway: str
    enabled: bool = True
    priority: int = DEFAULT_PRIORITY
    payment_methods: Sequence[str] | None = None
    countries: Sequence[str] | None = None
    currencies: Sequence[str] | None = None
    min_amount_minor: int | None = None
    max_amount_minor: int | None = None
    display_name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


async def list_options(database: Database, account: str) -> list[PaymentOption]:
    """The account's options, ordered by priority, then gateway."""
    async with database.transaction() as transaction:
        return await transaction.payment_options.all(account)


async def get_option(database: Database, account: str, gateway: str) -> PaymentOption:
    """How the account offers a gateway. Raises NotFound."""
    async with database.transaction() as transaction:
        option = await transaction.payment_options.get(account, gateway)
    if option is None:
        raise _not_offered(account, gateway)
    return option


async def put_option(
    database: Database, account: str, terms: OptionTerms, writer: Writer, *, if_match: str | None = None
) -> tuple[PaymentOption, bool]:
    """Store an option in the place of the one that is there; returns it, and whether it is new.

    Raises NotFound for an unknown gateway, InvalidInput for terms that the gateway does not have, Refused when the
    gateway is not configured, PreconditionFailed when `if_match` is given and is not the present tag.
    """
    check_terms(terms)
    async with database.transaction(writer.actor, writer.request_id) as transaction:
        await _require_configured(transaction, account, [terms.gateway])
        present = await transaction.payment_options.get(account, terms.gateway, lock=True)
        if if_match is not None and (present is None or if_match != tag_of(present)):
            raise PreconditionFailed("the payment option has been changed meanwhile: read it again")
        option = _option(account, terms, writer)
        await transaction.payment_options.put(option)
    return option, present is None


async def replace_options(
    database: Database, account: str, wanted: Sequence[OptionTerms], writer: Writer
) -> list[PaymentOption]:
    """Store these options and delete every other one; returns them, ordered by priority.

    Raises what `put_option` raises, and InvalidInput when a gateway is named twice.
    """
    gateways = [terms.gateway for terms in wanted]
    if len(set(gateways)) != len(gateways):
        raise InvalidInput("every gateway can be named once", field="data")
    for number, terms in enumerate(wanted):
        check_terms(terms, f"data.{number}.")
    async with database.transaction(writer.actor, writer.request_id) as transaction:
        await _require_configured(transaction, account, gateways)
        for present in await transaction.payment_options.all(account, lock=True):
            if present.gateway not in gateways:
                await transaction.payment_options.remove(account, present.gateway)
        for terms in sorted(wanted, key=lambda terms: terms.gateway):
            await transaction.payment_options.put(_option(account, terms, writer))
        return await transaction.payment_options.all(account)


async def remove_option(database: Database, account: str, gateway: str, writer: Writer) -> None:
    """Delete an option: the gateway is offered no more, and payments that name it still go there. Raises NotFound."""
    async with database.transaction(writer.actor, writer.request_id) as transaction:
        if not await transaction.payment_options.remove(account, gateway):
            raise _not_offered(account, gateway)


def check_terms(terms: OptionTerms, prefix: str = "") -> None:
    """Raise NotFound for an unknown gateway, InvalidInput, naming the field, for what the gateway does not have."""
    registration = get_registration(terms.gateway)
    for name, chosen, there_are in _narrowings(terms, registration):
        if chosen is None:
            continue
        if not chosen:
            raise InvalidInput(f"an empty list of {name} offers nothing: leave it out for all", field=prefix + name)
        if foreign := sorted(set(chosen) - set(there_are)):
            raise InvalidInput(f"{registration.display_name} has none of: {', '.join(foreign)}", field=prefix + name)
    least, most = terms.min_amount_minor, terms.max_amount_minor
    if least is not None and most is not None and least > most:
        raise InvalidInput("the least amount is above the greatest", field=f"{prefix}min_amount_minor")


def _not_offered(account: str, gateway: str) -> NotFound:
    return NotFound(f"account {account!r} has no payment option for {gateway!r}", field="gateway")


def tag_of(option: PaymentOption) -> str:
    """A name of the option as it is now, which changes with every write."""
    said = json.dumps([option.account, option.gateway, option.updated_at.isoformat()])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _narrowings(
    terms: OptionTerms, registration: Registration
) -> tuple[tuple[str, Sequence[str] | None, Iterable[str]], ...]:
    return (
        ("payment_methods", terms.payment_methods, registration.payment_methods),
        ("countries", terms.countries, registration.countries),
        ("currencies", terms.currencies, registration.currencies),
    )


def _option(account: str, terms: OptionTerms, writer: Writer) -> PaymentOption:
    return PaymentOption(
        account=account,
        gateway=terms.gateway,
        enabled=terms.enabled,
        priority=terms.priority,
        payment_methods=_each_once(terms.payment_methods),
        countries=_each_once(terms.countries),
        currencies=_each_once(terms.currencies),
        min_amount_minor=terms.min_amount_minor,
        max_amount_minor=terms.max_amount_minor,
        display_name=terms.display_name,
        settings=terms.settings,
        updated_at=writer.now,
    )


def _each_once(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(values))


async def _require_configured(transaction: Transaction, account: str, gateways: Sequence[str]) -> None:
    # Locked, in one order, so that none of them is removed before its option is stored.
    for gateway in sorted(gateways):
        if await transaction.accounts.get_credentials(account, gateway, lock=True) is None:
            raise Refused(
                f"account {account!r} has no credentials for {gateway!r}: configure the gateway first",
                code="gateway_not_configured",
                field="gateway",
            )
