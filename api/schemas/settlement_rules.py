"""Rules of settlement as they are asked for and shown. All `*_minor` are minor units of the rule's currency."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.filters import UtcDatetime
from domain.fees import FeeOnRefund, FeeSchedule, FeeTerms, FeeTier
from domain.money import MAX_AMOUNT_MINOR
from domain.reserve import ReserveRule
from domain.schedule import Cadence, Schedule, ScheduleHistory, ScheduleVersion
from storage.reserves import HeldReserve
from storage.settlement_rules import ANY, PayoutThresholds, ReserveScope
from topics.message import Currency, Name

SCHEDULE_EXAMPLE: dict[str, JsonValue] = {
    "cadence": "daily",
    "time_zone": "Europe/Berlin",
    "cut_off": "17:00",
    "grace_seconds": 3_600,
}
FEES_EXAMPLE: dict[str, JsonValue] = {
    "currency": "EUR",
    "basis_points": 250,
    "fixed_minor": 25,
    "tiers": [{"from_volume_minor": 10_000_000, "basis_points": 200, "fixed_minor": 20}],
    "on_refund": "returned",
}
RESERVE_EXAMPLE: dict[str, JsonValue] = {"recipient_type": "partner", "basis_points": 1_000, "days": 90}
THRESHOLDS_EXAMPLE: dict[str, JsonValue] = {
    "auto_approve_minor": 100_000,
    "second_approval_minor": 5_000_000,
    "minimum_payout_minor": 500,
}

BasisPoints = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Minor = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=31_536_000)]
AnyOrName = Annotated[str, Field(pattern=r"^(\*|[a-z0-9][a-z0-9_-]{0,63})$")]


class ScheduleRequest(RequestModel):
    """When windows end. `size_seconds` is for fixed windows, `weekday` (0 is Monday) for weekly ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCHEDULE_EXAMPLE]})

    cadence: Cadence
    size_seconds: Annotated[int, Field(strict=True, ge=1, le=31_536_000)] | None = None
    time_zone: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"
    cut_off: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"
    weekday: Annotated[int, Field(strict=True, ge=0, le=6)] | None = None
    grace_seconds: Seconds | None = Field(default=None, description="How long windows wait; else as the settings.")

    def schedule(self) -> Schedule:
        """The schedule. Raises InvalidInput where its parts do not fit each other."""
        return Schedule(
            cadence=self.cadence,
            size_seconds=self.size_seconds,
            time_zone=self.time_zone,
            cut_off=time.fromisoformat(self.cut_off),
            weekday=self.weekday,
        )


class ScheduleResponse(ResponseModel):
    """A schedule and from when it counts."""

    effective_from: datetime
    is_default: bool = Field(description="Nobody chose it: it follows the settings.")
    cadence: Cadence
    size_seconds: int | None
    time_zone: str
    cut_off: str
    weekday: int | None
    grace_seconds: int | None


class WindowResponse(ResponseModel):
    """A window of event time, its end excluded."""

    start: datetime
    end: datetime


class SchedulesResponse(ResponseModel):
    """An account's schedules, the oldest first, and the window of now. None before the account's first entry."""

    schedules: list[ScheduleResponse]
    window: WindowResponse | None


class TierModel(RequestModel):
    """Other rates from a captured volume of the month on."""

    from_volume_minor: Annotated[int, Field(strict=True, gt=0, le=MAX_AMOUNT_MINOR)]
    basis_points: BasisPoints
    fixed_minor: Minor = 0


class FeesRequest(RequestModel):
    """Fees of payments that are created from a time on, at one gateway, method and currency, or at any."""

    model_config = ConfigDict(json_schema_extra={"examples": [FEES_EXAMPLE]})

    gateway: Name | None = None
    method: Name | None = None
    currency: Currency | None = None
    effective_from: UtcDatetime | None = Field(default=None, description="From now on when left out.")
    basis_points: BasisPoints = 0
    fixed_minor: Minor = 0
    min_minor: Minor = 0
    max_minor: Minor | None = None
    on_refund: FeeOnRefund = FeeOnRefund.KEPT
    tiers: Annotated[tuple[TierModel, ...], Field(max_length=50)] = ()
    is_withdrawn: bool = Field(default=False, description="From then on more general fees count instead.")

    def schedule(self, now: datetime) -> FeeSchedule:
        """The fee schedule. Raises InvalidInput where its parts do not fit each other."""
        return FeeSchedule(
            effective_from=self.effective_from or now,
            terms=FeeTerms(
                basis_points=self.basis_points,
                fixed_minor=self.fixed_minor,
                min_minor=self.min_minor,
                max_minor=self.max_minor,
                on_refund=self.on_refund,
            ),
            gateway=self.gateway,
            method=self.method,
            currency=self.currency,
            tiers=tuple(FeeTier(**tier.model_dump()) for tier in self.tiers),
            is_withdrawn=self.is_withdrawn,
        )


class FeesResponse(ResponseModel):
    """A fee schedule; null stands for any gateway, method or currency."""

    gateway: str | None
    method: str | None
    currency: str | None
    effective_from: datetime
    basis_points: int
    fixed_minor: int
    min_minor: int
    max_minor: int | None
    on_refund: FeeOnRefund
    tiers: list[TierModel]
    is_withdrawn: bool


class ReserveRequest(RequestModel):
    """What later payouts hold back, of everybody or of some; `*` stands for all."""

    model_config = ConfigDict(json_schema_extra={"examples": [RESERVE_EXAMPLE]})

    recipient_type: Literal["tenant", "partner", "*"] = "*"
    recipient_id: AnyOrName = ANY
    basis_points: Annotated[int, Field(strict=True, ge=0, lt=10_000)]
    days: Annotated[int, Field(strict=True, ge=1, le=3_650)]

    def scope(self) -> ReserveScope:
        """The rule and for whom it is."""
        return ReserveScope(
            recipient_type=self.recipient_type,
            recipient_id=self.recipient_id,
            rule=ReserveRule(basis_points=self.basis_points, days=self.days),
        )


class ReserveRuleResponse(ResponseModel):
    """What later payouts hold back, of whom, and for how many days after the end of a payout's period."""

    recipient_type: str
    recipient_id: str
    basis_points: int
    days: int


class HeldReserveResponse(ResponseModel):
    """What is held back of a recipient in a currency now."""

    recipient_type: str
    recipient_id: str
    currency: str
    amount_minor: int
    next_release_at: datetime


class ReserveResponse(ResponseModel):
    """An account's reserve rules and what is held back."""

    rules: list[ReserveRuleResponse]
    held: list[HeldReserveResponse]


class ThresholdsRequest(RequestModel):
    """Thresholds of later payouts in a currency; what is null is as the settings say."""

    model_config = ConfigDict(json_schema_extra={"examples": [THRESHOLDS_EXAMPLE]})

    auto_approve_minor: Minor | None = Field(default=None, description="Up to this nobody has to approve.")
    second_approval_minor: Minor | None = Field(default=None, description="Above this two people approve.")
    minimum_payout_minor: Minor = Field(default=0, description="Below this nothing is paid: it carries over.")


class ThresholdsResponse(ResponseModel):
    """The thresholds of payouts in a currency."""

    currency: str
    auto_approve_minor: int | None
    second_approval_minor: int | None
    minimum_payout_minor: int


def schedule_response(version: ScheduleVersion) -> ScheduleResponse:
    """Show a schedule."""
    schedule = version.schedule
    return ScheduleResponse(
        effective_from=version.effective_from,
        is_default=version.is_default,
        cadence=schedule.cadence,
        size_seconds=schedule.size_seconds,
        time_zone=schedule.time_zone,
        cut_off=f"{schedule.cut_off:%H:%M}",
        weekday=schedule.weekday,
        grace_seconds=version.grace_seconds,
    )


def schedules_response(history: ScheduleHistory | None, now: datetime) -> SchedulesResponse:
    """Show an account's schedules and the window of now."""
    if history is None:
        return SchedulesResponse(schedules=[], window=None)
    return SchedulesResponse(
        schedules=[schedule_response(version) for version in history.versions],
        window=WindowResponse.model_validate(history.window_of(now)),
    )


def fees_response(schedule: FeeSchedule) -> FeesResponse:
    """Show a fee schedule."""
    terms = schedule.terms
    return FeesResponse(
        gateway=schedule.gateway,
        method=schedule.method,
        currency=schedule.currency,
        effective_from=schedule.effective_from,
        basis_points=terms.basis_points,
        fixed_minor=terms.fixed_minor,
        min_minor=terms.min_minor,
        max_minor=terms.max_minor,
        on_refund=terms.on_refund,
        tiers=[
            TierModel(
                from_volume_minor=tier.from_volume_minor, basis_points=tier.basis_points, fixed_minor=tier.fixed_minor
            )
            for tier in schedule.tiers
        ],
        is_withdrawn=schedule.is_withdrawn,
    )


def reserve_response(rules: Sequence[ReserveScope], held: Sequence[HeldReserve]) -> ReserveResponse:
    """Show reserve rules and what is held."""
    return ReserveResponse(
        rules=[
            ReserveRuleResponse(
                recipient_type=scope.recipient_type,
                recipient_id=scope.recipient_id,
                basis_points=scope.rule.basis_points,
                days=scope.rule.days,
            )
            for scope in rules
        ],
        held=[HeldReserveResponse.model_validate(one) for one in held],
    )


def thresholds_response(thresholds: PayoutThresholds) -> ThresholdsResponse:
    """Show thresholds."""
    return ThresholdsResponse.model_validate(thresholds)
