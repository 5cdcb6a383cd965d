"""Fees: schedules that say what an account is charged, and what a capture then costs, to the last minor unit.

A schedule is for one account and may name a gateway, a payment method and a currency; the one that names the most is
chosen when a payment is created, and frozen in its terms. Everything is rounded half-even.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from domain.errors import InvalidInput

BASIS = 10_000
"""Basis points in a whole."""


class FeeOnRefund(StrEnum):
    """Whether a refund gives the fee back, in the proportion in which it gives the capture back."""

    KEPT = "kept"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTerms:
    """What a capture costs: basis points of it and a fixed part, between a minimum and a maximum, in minor units."""

    basis_points: int = 0
    fixed_minor: int = 0
    min_minor: int = 0
    max_minor: int | None = None
    on_refund: FeeOnRefund = FeeOnRefund.KEPT

    def __post_init__(self) -> None:
        if not 0 <= self.basis_points <= BASIS:
            raise InvalidInput(f"basis points are from 0 to {BASIS}", field="basis_points")
        if self.fixed_minor < 0 or self.min_minor < 0:
            raise InvalidInput("a fee is not negative", field="fixed_minor" if self.fixed_minor < 0 else "min_minor")
        if self.max_minor is not None and self.max_minor < self.min_minor:
            raise InvalidInput("the largest fee is below the smallest", field="max_minor")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTier:
    """Other basis points and fixed part from a captured volume of the month on, in minor units."""

    from_volume_minor: int
    basis_points: int
    fixed_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSchedule:
    """An account's fees from a time on, at one gateway, method and currency; None stands for any.

    A withdrawn schedule says that from its time on there is none for this gateway, method and currency.
    """

    effective_from: datetime
    terms: FeeTerms = FeeTerms()
    gateway: str | None = None
    method: str | None = None
    currency: str | None = None
    tiers: tuple[FeeTier, ...] = ()
    is_withdrawn: bool = False

    def __post_init__(self) -> None:
        volumes = [tier.from_volume_minor for tier in self.tiers]
        if volumes and (volumes[0] <= 0 or sorted(set(volumes)) != volumes):
            raise InvalidInput("tiers begin above no volume at all, each above the one before", field="tiers")
        for volume in volumes:
            self.terms_at(volume)

    @property
    def scope(self) -> tuple[str | None, str | None, str | None]:
        """What it is for; of one scope the newest schedule counts."""
        return (self.gateway, self.method, self.currency)

    def terms_at(self, volume_minor: int) -> FeeTerms:
        """The terms at a captured volume of the month so far."""
        reached = [tier for tier in self.tiers if tier.from_volume_minor <= volume_minor]
        if not reached:
            return self.terms
        tier = reached[-1]
        return replace(self.terms, basis_points=tier.basis_points, fixed_minor=tier.fixed_minor)


def choose_schedule(
    schedules: Iterable[FeeSchedule], *, gateway: str, method: str | None, currency: str, at: datetime
) -> FeeSchedule | None:
    """The schedule that counts for a payment, or None.

    Of each scope the newest that has begun counts. Of the scopes that fit, the one that names the most wins; where two
    name as many, naming the gateway goes before naming the method, and that before naming the currency.
    """
    newest: dict[tuple[str | None, str | None, str | None], FeeSchedule] = {}
    wanted = (gateway, method, currency)
    for schedule in schedules:
        fits = all(named in {None, value} for named, value in zip(schedule.scope, wanted, strict=True))
        known = newest.get(schedule.scope)
        if fits and schedule.effective_from <= at and (known is None or known.effective_from < schedule.effective_from):
            newest[schedule.scope] = schedule
    counting = [schedule for schedule in newest.values() if not schedule.is_withdrawn]
    return max(counting, key=_names, default=None)


def _names(schedule: FeeSchedule) -> tuple[int, Sequence[bool]]:
    named = [value is not None for value in schedule.scope]
    return (sum(named), named)


def month_of(moment: datetime) -> date:
    """The first day of the month that a capture's volume counts in; months are those of UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def fee_of(captured_minor: int, terms: FeeTerms) -> int:
    """The fee on a captured total; never above the capture, and nothing on nothing."""
    if captured_minor <= 0:
        return 0
    fee = max(terms.min_minor, share_of(captured_minor, terms.basis_points, BASIS) + terms.fixed_minor)
    return min(captured_minor, fee if terms.max_minor is None else min(fee, terms.max_minor))


def fee_returned(captured_minor: int, given_back_minor: int, terms: FeeTerms) -> int:
    """How much of the fee on a captured total goes back with a part of it, or with all of it."""
    if terms.on_refund is FeeOnRefund.KEPT or captured_minor <= 0:
        return 0
    return share_of(fee_of(captured_minor, terms), given_back_minor, captured_minor)


def share_of(amount_minor: int, part: int, whole: int) -> int:
    """`amount_minor · part / whole`, rounded half-even; nothing is negative and `whole` is not 0."""
    quotient, rest = divmod(amount_minor * part, whole)
    rounds_up = 2 * rest > whole or (2 * rest == whole and quotient % 2 == 1)
    return quotient + rounds_up
