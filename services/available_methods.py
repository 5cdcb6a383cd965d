"""What an account's payers can pay with: the account's options, narrowed to what their gateways really take.

Pure: options and registrations in, offers out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connectors.base import Capability, Registration
from storage.payment_options import PaymentOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What somebody wants to pay; what is None is not known yet and narrows nothing.

    `country` is the payer's, ISO 3166-1 alpha-2; `amount_minor` is in minor units of `currency`.
    """

    country: str | None = None
    currency: str | None = None
    amount_minor: int | None = None
    payment_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A gateway that takes the purchase, and the payment methods by which it does."""

    option: PaymentOption
    registration: Registration
    payment_methods: tuple[str, ...]

    @property
    def display_name(self) -> str:
        """What payers read: the account's own words, else the gateway's name."""
        return self.option.display_name or self.registration.display_name


def available_methods(
    options: Iterable[PaymentOption], registrations: Iterable[Registration], purchase: Purchase
) -> tuple[Offer, ...]:
    """Return the offers for a purchase, the one with the least priority number first, then by gateway.

    An option of a gateway that is not registered offers nothing.
    """
    known = {registration.key: registration for registration in registrations}
    ordered = sorted(options, key=lambda option: (option.priority, option.gateway))
    offers = (_offer(option, known.get(option.gateway), purchase) for option in ordered)
    return tuple(offer for offer in offers if offer is not None)


def is_paid_by_hand(registration: Registration) -> bool:
    """Whether payers follow instructions and a person confirms the money, instead of any API of a gateway."""
    return registration.has(Capability.APPROVED_BY_PEOPLE) and registration.has(Capability.GIVES_INSTRUCTIONS)


def _offer(option: PaymentOption, registration: Registration | None, purchase: Purchase) -> Offer | None:
    if not option.enabled or registration is None or not _can_begin(registration):
        return None
    if not (
        _takes(purchase.country, option.countries, registration.countries)
        and _takes(purchase.currency, option.currencies, registration.currencies)
        and _is_within_bounds(purchase.amount_minor, option)
    ):
        return None
    methods = _methods(option, registration, purchase.payment_method)
    return Offer(option=option, registration=registration, payment_methods=methods) if methods else None


def _can_begin(registration: Registration) -> bool:
    return registration.has(Capability.CREATES_ORDERS) or is_paid_by_hand(registration)


def _takes(wanted: str | None, narrowed: Sequence[str] | None, all_there_is: frozenset[str]) -> bool:
    return wanted is None or (wanted in all_there_is and (narrowed is None or wanted in narrowed))


def _is_within_bounds(amount_minor: int | None, option: PaymentOption) -> bool:
    if amount_minor is None:
        return True
    is_enough = option.min_amount_minor is None or amount_minor >= option.min_amount_minor
    return is_enough and (option.max_amount_minor is None or amount_minor <= option.max_amount_minor)


def _methods(option: PaymentOption, registration: Registration, wanted: str | None) -> tuple[str, ...]:
    """In the account's order where it has one, else in the gateway's."""
    chosen = registration.payment_methods if option.payment_methods is None else option.payment_methods
    return tuple(method for method in chosen if method in registration.payment_methods and wanted in {None, method})
