"""Rules of settlement as rows: schedules of windows, fee schedules, reserves, thresholds."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fees import FeeOnRefund, FeeSchedule, FeeTerms, FeeTier
from domain.reserve import ReserveRule
from domain.schedule import Cadence, Schedule, ScheduleHistory, ScheduleVersion
from storage.settlement_tables import (
    CAPTURED_VOLUMES,
    FEE_SCHEDULES,
    PAYOUT_THRESHOLDS,
    RESERVE_RULES,
    SETTLEMENT_SCHEDULES,
)

ANY = "*"
"""Stands for every recipient type, or every recipient of a type."""

_LOCK_CLASS = 7_211
_HOLD_SCHEDULES = text("select pg_advisory_xact_lock_shared(:class)")
_LOCK_SCHEDULES = text("select pg_advisory_xact_lock(:class)")
_DROP_LATER = text("delete from settlement_schedules where account = :account and effective_from >= :effective_from")
_STALE_DEFAULTS = text(
    # The newest schedule of an account counts already and is the default of another setting than today's.
    "select account from (select distinct on (account) account, is_default, size_seconds, effective_from"
    " from settlement_schedules order by account, effective_from desc) as newest"
    " where is_default and size_seconds <> :size_seconds and effective_from <= :now"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBy:
    """Who set a rule, and when."""

    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutThresholds:
    """An account's thresholds in one currency, in minor units; None where the settings decide."""

    currency: str
    auto_approve_minor: int | None = None
    second_approval_minor: int | None = None
    minimum_payout_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveScope:
    """A reserve rule and for whom it is; `ANY` stands for every type, or every recipient of a type."""

    recipient_type: str = ANY
    recipient_id: str = ANY
    rule: ReserveRule


class SettlementRuleBook:
    """Reads and writes the rules of accounts."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def hold_schedules(self) -> None:
        """Keep every schedule as it is until the transaction ends; many may hold them at a time."""
        await self._connection.execute(_HOLD_SCHEDULES, {"class": _LOCK_CLASS})

    async def lock_schedules(self) -> None:
        """Wait until nobody works with schedules, and keep others from it until the transaction ends."""
        await self._connection.execute(_LOCK_SCHEDULES, {"class": _LOCK_CLASS})

    async def histories(self, accounts: Collection[str] | None = None) -> dict[str, ScheduleHistory]:
        """The schedules of these accounts, or of all; accounts without any are absent."""
        statement = select(SETTLEMENT_SCHEDULES).order_by(
            SETTLEMENT_SCHEDULES.c.account, SETTLEMENT_SCHEDULES.c.effective_from
        )
        if accounts is not None:
            statement = statement.where(SETTLEMENT_SCHEDULES.c.account.in_(sorted(accounts)))
        versions: dict[str, list[ScheduleVersion]] = {}
        for row in await self._connection.execute(statement):
            versions.setdefault(row.account, []).append(_version(row))
        return {account: ScheduleHistory(tuple(found)) for account, found in versions.items()}

    async def add_schedule(self, account: str, version: ScheduleVersion, set_by: SetBy) -> None:
        """Let a schedule count from its time on, instead of what was planned for then or later."""
        dropped = {"account": account, "effective_from": version.effective_from}
        await self._connection.execute(_DROP_LATER, dropped)
        values = _schedule_values(account, version, set_by)
        await self._connection.execute(insert(SETTLEMENT_SCHEDULES).values(values))

    async def add_first_schedules(self, accounts: Collection[str], version: ScheduleVersion, set_by: SetBy) -> None:
        """Give accounts that have no schedule this one; those that have one keep it."""
        rows = [_schedule_values(account, version, set_by) for account in sorted(accounts)]
        await self._connection.execute(insert(SETTLEMENT_SCHEDULES).values(rows).on_conflict_do_nothing())

    async def stale_defaults(self, size_seconds: int, now: datetime) -> list[str]:
        """Accounts without a schedule of their own whose windows are not of this size."""
        rows = await self._connection.execute(_STALE_DEFAULTS, {"size_seconds": size_seconds, "now": now})
        return [row.account for row in rows]

    async def fee_schedules(self, account: str) -> list[FeeSchedule]:
        """Every fee schedule of an account, the oldest first."""
        columns = FEE_SCHEDULES.c
        statement = select(FEE_SCHEDULES).where(columns.account == account).order_by(columns.effective_from, columns.id)
        return [_fee_schedule(row) for row in await self._connection.execute(statement)]

    async def add_fee_schedule(self, account: str, schedule: FeeSchedule, set_by: SetBy) -> bool:
        """Add a fee schedule; False when one of its scope counts from the same time."""
        terms = schedule.terms
        values = {
            "id": uuid.uuid4(),
            "account": account,
            "gateway": schedule.gateway,
            "method": schedule.method,
            "currency": schedule.currency,
            "effective_from": schedule.effective_from,
            "basis_points": terms.basis_points,
            "fixed_minor": terms.fixed_minor,
            "min_minor": terms.min_minor,
            "max_minor": terms.max_minor,
            "on_refund": terms.on_refund,
            "tiers": [[tier.from_volume_minor, tier.basis_points, tier.fixed_minor] for tier in schedule.tiers],
            "is_withdrawn": schedule.is_withdrawn,
            **_set_by(set_by),
        }
        statement = insert(FEE_SCHEDULES).values(values).on_conflict_do_nothing().returning(FEE_SCHEDULES.c.id)
        return (await self._connection.execute(statement)).first() is not None

    async def captured_volume(self, account: str, currency: str, month: date) -> int:
        """What an account's counted captures of a month come to, in minor units."""
        columns = CAPTURED_VOLUMES.c
        statement = select(columns.captured_minor).where(
            columns.account == account, columns.currency == currency, columns.month == month
        )
        return (await self._connection.execute(statement)).scalar_one_or_none() or 0

    async def reserve_rules(self, account: str) -> list[ReserveScope]:
        """Every reserve rule of an account."""
        columns = RESERVE_RULES.c
        statement = select(RESERVE_RULES).where(columns.account == account)
        rows = await self._connection.execute(statement.order_by(columns.recipient_type, columns.recipient_id))
        return [
            ReserveScope(
                recipient_type=row.recipient_type,
                recipient_id=row.recipient_id,
                rule=ReserveRule(basis_points=row.basis_points, days=row.days),
            )
            for row in rows
        ]

    async def set_reserve_rule(self, account: str, scope: ReserveScope, set_by: SetBy) -> None:
        """Set a reserve rule, replacing the one of its scope."""
        values = {
            "account": account,
            "recipient_type": scope.recipient_type,
            "recipient_id": scope.recipient_id,
            "basis_points": scope.rule.basis_points,
            "days": scope.rule.days,
            **_set_by(set_by),
        }
        keys = ("account", "recipient_type", "recipient_id")
        await self._connection.execute(_replacing(insert(RESERVE_RULES).values(values), values, keys))

    async def thresholds(self, account: str, currency: str | None = None) -> list[PayoutThresholds]:
        """The thresholds of an account, in one currency or in all that have some."""
        columns = PAYOUT_THRESHOLDS.c
        statement = select(PAYOUT_THRESHOLDS).where(columns.account == account).order_by(columns.currency)
        if currency is not None:
            statement = statement.where(columns.currency == currency)
        return [
            PayoutThresholds(
                currency=row.currency,
                auto_approve_minor=row.auto_approve_minor,
                second_approval_minor=row.second_approval_minor,
                minimum_payout_minor=row.minimum_payout_minor,
            )
            for row in await self._connection.execute(statement)
        ]

    async def set_thresholds(self, account: str, thresholds: PayoutThresholds, set_by: SetBy) -> None:
        """Set the thresholds of a currency, replacing those there were."""
        values = {
            "account": account,
            "currency": thresholds.currency,
            "auto_approve_minor": thresholds.auto_approve_minor,
            "second_approval_minor": thresholds.second_approval_minor,
            "minimum_payout_minor": thresholds.minimum_payout_minor,
            **_set_by(set_by),
        }
        keys = ("account", "currency")
        await self._connection.execute(_replacing(insert(PAYOUT_THRESHOLDS).values(values), values, keys))


def _version(row: Row[Any]) -> ScheduleVersion:
    schedule = Schedule(
        cadence=Cadence(row.cadence),
        size_seconds=row.size_seconds,
        time_zone=row.time_zone,
        cut_off=row.cut_off,
        weekday=row.weekday,
    )
    return ScheduleVersion(
        effective_from=row.effective_from, schedule=schedule, grace_seconds=row.grace_seconds, is_default=row.is_default
    )


def _schedule_values(account: str, version: ScheduleVersion, set_by: SetBy) -> dict[str, object]:
    schedule = version.schedule
    return {
        "account": account,
        "effective_from": version.effective_from,
        "cadence": schedule.cadence,
        "size_seconds": schedule.size_seconds,
        "time_zone": schedule.time_zone,
        "cut_off": schedule.cut_off,
        "weekday": schedule.weekday,
        "grace_seconds": version.grace_seconds,
        "is_default": version.is_default,
        **_set_by(set_by),
    }


def _fee_schedule(row: Row[Any]) -> FeeSchedule:
    return FeeSchedule(
        effective_from=row.effective_from,
        terms=FeeTerms(
            basis_points=row.basis_points,
            fixed_minor=row.fixed_minor,
            min_minor=row.min_minor,
            max_minor=row.max_minor,
            on_refund=FeeOnRefund(row.on_refund),
        ),
        gateway=row.gateway,
        method=row.method,
        currency=row.currency,
        tiers=tuple(
            FeeTier(from_volume_minor=volume, basis_points=basis_points, fixed_minor=fixed_minor)
            for volume, basis_points, fixed_minor in row.tiers
        ),
        is_withdrawn=row.is_withdrawn,
    )


def _set_by(set_by: SetBy) -> dict[str, object]:
    return {"set_by": set_by.actor, "set_at": set_by.at}


def _replacing(statement: Insert, values: Mapping[str, object], keys: Sequence[str]) -> Insert:
    """Let an insert replace the row that has its key."""
    return statement.on_conflict_do_update(
        index_elements=list(keys), set_={name: value for name, value in values.items() if name not in keys}
    )
