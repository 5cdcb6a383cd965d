"""`paystream settlement …`: an account's schedule of windows, its fees, its reserve, and who approves its payouts."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Annotated

import typer

from cli.database_work import fail, run
from domain.fees import FeeOnRefund, FeeSchedule, FeeTerms, FeeTier
from domain.reserve import ReserveRule
from domain.schedule import Cadence, Schedule, ScheduleVersion
from storage.settlement_rules import ANY, PayoutThresholds, ReserveScope

app = typer.Typer(no_args_is_help=True, help="Rules of settlement: schedules, fees, reserves, thresholds.")
schedule = typer.Typer(no_args_is_help=True, help="When an account's windows end.")
fees = typer.Typer(no_args_is_help=True, help="What an account is charged.")
reserve = typer.Typer(no_args_is_help=True, help="What is held back of payouts, and for how long.")
thresholds = typer.Typer(no_args_is_help=True, help="What is too little to pay, and how many people approve the rest.")
app.add_typer(schedule, name="schedule")
app.add_typer(fees, name="fees")
app.add_typer(reserve, name="reserve")
app.add_typer(thresholds, name="thresholds")

Account = Annotated[str, typer.Argument(help="The account.")]
By = Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")]
MINOR = "In minor units."
MAX_BASIS_POINTS = 10_000


class Weekday(StrEnum):
    """Days, in the order in which they are counted."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@schedule.command("set")
def set_schedule(
    account: Account,
    cadence: Annotated[Cadence, typer.Option("--cadence", help="How often windows end.")],
    by: By,
    time_zone: Annotated[str, typer.Option("--time-zone", help="An IANA name, such as Europe/Berlin.")] = "UTC",
    cut_off: Annotated[str, typer.Option("--cut-off", help="The local time at which days and weeks end.")] = "00:00",
    weekday: Annotated[Weekday | None, typer.Option("--weekday", help="The day on which weeks end.")] = None,
    size_seconds: Annotated[int | None, typer.Option("--size-seconds", help="The size of fixed windows.")] = None,
    grace_seconds: Annotated[
        int | None,
        typer.Option("--grace-seconds", help="How long windows wait for late entries; else as the settings."),
    ] = None,
) -> None:
    """Give an account a schedule. It counts from where the present window ends; until then the old one does."""
    from services.settlement_rules import set_schedule as set_

    try:
        local = time.fromisoformat(cut_off)
    except ValueError:
        fail(f"{cut_off} is not a time such as 17:00")

    def wanted() -> Schedule:
        return Schedule(
            cadence=cadence,
            size_seconds=size_seconds,
            time_zone=time_zone,
            cut_off=local,
            weekday=None if weekday is None else list(Weekday).index(weekday),
        )

    version = run(
        lambda database, _: set_(database, account, wanted(), grace_seconds=grace_seconds, actor=by, now=_now())
    )
    typer.echo(f"{account} settles {cadence} from {version.effective_from.isoformat()} on.")


@schedule.command("show")
def show_schedule(account: Account) -> None:
    """Print the account's schedules and the window of now, as JSON."""
    from services.settlement_rules import find_schedules

    history = run(lambda database, _: find_schedules(database, account))
    shown: dict[str, object] = {"schedules": [], "window": None}
    if history is not None:
        window = history.window_of(_now())
        shown = {
            "schedules": [_shown_version(version) for version in history.versions],
            "window": {"start": window.start, "end": window.end},
        }
    _print(shown)


@fees.command("set")
def set_fees(
    account: Account,
    basis_points: Annotated[
        int, typer.Option("--basis-points", min=0, max=MAX_BASIS_POINTS, help="Of the captured amount; 290 is 2.9 %.")
    ],
    by: By,
    *,
    fixed_minor: Annotated[int, typer.Option("--fixed-minor", min=0, help=MINOR)] = 0,
    min_minor: Annotated[int, typer.Option("--min-minor", min=0, help=f"The smallest fee. {MINOR}")] = 0,
    max_minor: Annotated[int | None, typer.Option("--max-minor", min=0, help=f"The largest fee. {MINOR}")] = None,
    on_refund: Annotated[
        FeeOnRefund, typer.Option("--on-refund", help="Whether a refund gives the fee back in proportion.")
    ] = FeeOnRefund.KEPT,
    tier: Annotated[
        list[str] | None,
        typer.Option("--tier", help="VOLUME:BASIS_POINTS[:FIXED]: other rates from a captured volume of the month on."),
    ] = None,
    gateway: Annotated[str | None, typer.Option("--gateway", help="Only at this gateway.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="Only by this payment method.")] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Only in this currency.")] = None,
    effective_from: Annotated[
        datetime | None, typer.Option("--from", help="From when on, in UTC; from now on when left out.")
    ] = None,
) -> None:
    """Let fees count for payments created from a time on.

    Of the schedules that fit a payment, the one that names the most counts.
    """
    from services.settlement_rules import add_fee_schedule

    tiers = tuple(_tier(text) for text in tier or ())
    now = _now()
    start = now if effective_from is None else effective_from.replace(tzinfo=UTC)

    def wanted() -> FeeSchedule:
        return FeeSchedule(
            effective_from=start,
            terms=FeeTerms(
                basis_points=basis_points,
                fixed_minor=fixed_minor,
                min_minor=min_minor,
                max_minor=max_minor,
                on_refund=on_refund,
            ),
            gateway=gateway,
            method=method,
            currency=currency,
            tiers=tiers,
        )

    run(lambda database, _: add_fee_schedule(database, account, wanted(), actor=by, now=now))
    typer.echo(f"Payments of {account} created from {start.isoformat()} on have these fees.")


@fees.command("withdraw")
def withdraw_fees(
    account: Account,
    by: By,
    gateway: Annotated[str | None, typer.Option("--gateway", help="As they were set.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="As they were set.")] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="As they were set.")] = None,
) -> None:
    """Let the fees of this gateway, method and currency count no longer; more general ones do again."""
    from services.settlement_rules import add_fee_schedule

    now = _now()
    withdrawn = FeeSchedule(effective_from=now, gateway=gateway, method=method, currency=currency, is_withdrawn=True)
    run(lambda database, _: add_fee_schedule(database, account, withdrawn, actor=by, now=now))
    typer.echo(f"Payments of {account} created from now on have other fees than these.")


@fees.command("show")
def show_fees(account: Account) -> None:
    """Print the account's fee schedules, the oldest first, as JSON."""
    from services.settlement_rules import find_fee_schedules

    _print([asdict(one) for one in run(lambda database, _: find_fee_schedules(database, account))])


@reserve.command("set")
def set_reserve(
    account: Account,
    basis_points: Annotated[
        int, typer.Option("--basis-points", min=0, max=MAX_BASIS_POINTS - 1, help="Of a payout; 1000 is 10 %.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, help="For how many days after the end of a batch's period.")],
    by: By,
    recipient_type: Annotated[str, typer.Option("--recipient-type", help="Only for tenant or partner.")] = ANY,
    recipient_id: Annotated[str, typer.Option("--recipient-id", help="Only for this recipient.")] = ANY,
) -> None:
    """Hold a part of later payouts back. What is held already keeps its day of release."""
    from services.settlement_rules import set_reserve as set_

    def wanted() -> ReserveScope:
        rule = ReserveRule(basis_points=basis_points, days=days)
        return ReserveScope(recipient_type=recipient_type, recipient_id=recipient_id, rule=rule)

    run(lambda database, _: set_(database, account, wanted(), actor=by, now=_now()))
    typer.echo(f"Payouts of {account} hold {basis_points} basis points back for {days} days.")


@reserve.command("show")
def show_reserve(account: Account) -> None:
    """Print the account's reserve rules and what is held back now, as JSON."""
    from services.settlement_rules import find_reserve

    rules, held = run(lambda database, _: find_reserve(database, account))
    _print({"rules": [asdict(rule) for rule in rules], "held": [asdict(one) for one in held]})


@thresholds.command("set")
def set_thresholds(
    account: Account,
    currency: Annotated[str, typer.Argument(help="The currency.")],
    by: By,
    auto_approve_minor: Annotated[
        int | None, typer.Option("--auto-approve-minor", min=0, help=f"Up to this nobody has to approve. {MINOR}")
    ] = None,
    second_approval_minor: Annotated[
        int | None, typer.Option("--second-approval-minor", min=0, help=f"Above this two people approve. {MINOR}")
    ] = None,
    minimum_payout_minor: Annotated[
        int, typer.Option("--minimum-payout-minor", min=0, help=f"Below this nothing is paid: it carries over. {MINOR}")
    ] = 0,
) -> None:
    """Set an account's thresholds in one currency; what is left out is as the settings say."""
    from services.settlement_rules import set_thresholds as set_

    wanted = PayoutThresholds(
        currency=currency,
        auto_approve_minor=auto_approve_minor,
        second_approval_minor=second_approval_minor,
        minimum_payout_minor=minimum_payout_minor,
    )
    run(lambda database, _: set_(database, account, wanted, actor=by, now=_now()))
    typer.echo(f"Later payouts of {account} in {currency} have these thresholds.")


@thresholds.command("show")
def show_thresholds(account: Account) -> None:
    """Print the account's thresholds, by currency, as JSON."""
    from services.settlement_rules import find_thresholds

    _print([asdict(one) for one in run(lambda database, _: find_thresholds(database, account))])


def _tier(text: str) -> FeeTier:
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(part.isdecimal() for part in parts):
        fail(f"{text} is not a tier such as 1000000:250:20")
    volume, basis_points, fixed_minor = (*(int(part) for part in parts), 0)[:3]
    return FeeTier(from_volume_minor=volume, basis_points=basis_points, fixed_minor=fixed_minor)


def _shown_version(version: ScheduleVersion) -> dict[str, object]:
    shown = {"effective_from": version.effective_from, "grace_seconds": version.grace_seconds}
    weekday = version.schedule.weekday
    named = None if weekday is None else list(Weekday)[weekday]
    return {**shown, "is_default": version.is_default, **asdict(version.schedule), "weekday": named}


def _print(value: object) -> None:
    typer.echo(json.dumps(value, default=_text, indent=2))


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _now() -> datetime:
    from bootstrap.clock import system_clock

    return system_clock()
