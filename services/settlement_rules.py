"""Rules of settlement: set and read schedules, fees, reserves and thresholds of accounts, and say which apply.

Every change is effective-dated or applies to what is made later: windows that are open keep their ends, payments keep
the fees they were created with, and what is held back keeps its day of release.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import CommandConflict, InvalidInput, NotFound
from domain.fees import FeeSchedule, FeeTerms, choose_schedule, month_of
from domain.money import check_currency
from domain.reserve import ReserveRule
from domain.schedule import Schedule, ScheduleHistory, ScheduleVersion, first_version
from domain.settlement import ApprovalRules, BatchTotals, EntryTotals, Recipient, batch_totals
from storage.accounts import Account
from storage.reserves import HeldReserve
from storage.settlement_rules import ANY, PayoutThresholds, ReserveScope, SetBy
from storage.unit_of_work import Database, Transaction

LEAD = timedelta(seconds=30)
"""How long before it counts a new schedule is there at the least, so that every process has read it by then."""

LONGEST_WAIT = timedelta(days=62)
RECIPIENT_TYPES = ("tenant", "partner")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRules:
    """What applies to the payouts of one recipient: the least that is paid, the reserve, and who has to approve."""

    minimum_minor: int
    reserve: ReserveRule | None
    approvals: ApprovalRules

    def totals(self, entries: EntryTotals, released_minor: int) -> BatchTotals | None:
        """What a batch of these entries pays, with what the reserve releases; None when it is not to be made."""
        held_minor = 0 if self.reserve is None else self.reserve.hold_of(entries.net_minor)
        totals = batch_totals(entries, (), held_minor=held_minor, released_minor=released_minor)
        return totals if totals.net_minor >= max(1, self.minimum_minor) else None


async def payout_rules(transaction: Transaction, recipient: Recipient, default: ApprovalRules) -> PayoutRules:
    """The rules of a recipient; where the account has no threshold, the default's counts."""
    rules = transaction.settlement_rules
    own = await rules.thresholds(recipient.account, recipient.currency)
    thresholds = own[0] if own else PayoutThresholds(currency=recipient.currency)
    auto, second = thresholds.auto_approve_minor, thresholds.second_approval_minor
    return PayoutRules(
        minimum_minor=thresholds.minimum_payout_minor,
        reserve=_reserve_for(recipient, await rules.reserve_rules(recipient.account)),
        approvals=ApprovalRules(
            auto_approve_minor=default.auto_approve_minor if auto is None else auto,
            second_approval_minor=default.second_approval_minor if second is None else second,
        ),
    )


def _reserve_for(recipient: Recipient, scopes: list[ReserveScope]) -> ReserveRule | None:
    """The rule for the recipient itself, else for its type, else for all."""
    by_scope = {(scope.recipient_type, scope.recipient_id): scope.rule for scope in scopes}
    wanted = ((recipient.recipient_type, recipient.recipient_id), (recipient.recipient_type, ANY), (ANY, ANY))
    return next((by_scope[scope] for scope in wanted if scope in by_scope), None)


async def fee_terms(
    transaction: Transaction, account: Account, *, gateway: str, method: str | None, currency: str, at: datetime
) -> FeeTerms:
    """The fees of a payment that is created now; the account's own basis points and fixed part where no schedule is."""
    schedules = await transaction.settlement_rules.fee_schedules(account.id)
    chosen = choose_schedule(schedules, gateway=gateway, method=method, currency=currency, at=at)
    if chosen is None:
        return FeeTerms(basis_points=account.fee_basis_points, fixed_minor=account.fee_fixed_minor)
    if not chosen.tiers:
        return chosen.terms
    return chosen.terms_at(await transaction.settlement_rules.captured_volume(account.id, currency, month_of(at)))


async def set_schedule(
    database: Database,
    account: str,
    schedule: Schedule,
    *,
    grace_seconds: int | None,
    actor: str,
    now: datetime,
    request_id: str = "",
) -> ScheduleVersion:
    """Give an account a schedule; returns it with the time from which it counts.

    That is where the present window ends; for an account that has no window yet, from the beginning. Raises NotFound,
    and InvalidInput when a window that is there already reaches too far into the future to wait for its end.
    """
    if grace_seconds is not None and grace_seconds < 0:
        raise InvalidInput("a grace is not negative", field="grace_seconds")
    async with database.transaction(actor, request_id) as transaction:
        await _require_account(transaction, account)
        wanted = first_version(schedule, grace_seconds=grace_seconds)
        return await _change_schedule(transaction, account, wanted, SetBy(actor=actor, at=now))


async def follow_default(database: Database, schedule: Schedule, *, actor: str, now: datetime) -> list[str]:
    """Let accounts without a schedule of their own follow the settings; returns those that change."""
    if schedule.size_seconds is None:
        raise InvalidInput("the default schedule is a fixed one", field="size_seconds")
    async with database.transaction(actor) as transaction:
        accounts = await transaction.settlement_rules.stale_defaults(schedule.size_seconds, now)
        for account in accounts:
            wanted = first_version(schedule, is_default=True)
            await _change_schedule(transaction, account, wanted, SetBy(actor=actor, at=now))
    return accounts


async def _change_schedule(
    transaction: Transaction, account: str, wanted: ScheduleVersion, set_by: SetBy
) -> ScheduleVersion:
    await transaction.settlement_rules.lock_schedules()
    history = (await transaction.settlement_rules.histories([account])).get(account)
    last_end = await transaction.settlement.last_window_end(account)
    version = wanted
    if history is not None:
        newest = history.versions[-1]
        if _agreed(newest) == _agreed(wanted):
            return newest
        if last_end is not None:
            version = wanted.from_time(_change_at(history, last_end, set_by.at))
    await transaction.settlement_rules.add_schedule(account, version, set_by)
    return version


def _agreed(version: ScheduleVersion) -> tuple[Schedule, int | None, bool]:
    return (version.schedule, version.grace_seconds, version.is_default)


def _change_at(history: ScheduleHistory, last_end: datetime, now: datetime) -> datetime:
    """Where the window of soon ends, and every window there is has ended."""
    counting = ScheduleHistory(tuple(version for version in history.versions if version.effective_from <= now))
    change_at = max(counting.window_of(now + LEAD).end, last_end)
    if change_at > now + LONGEST_WAIT:
        raise InvalidInput(
            f"a window that is there already ends at {change_at.isoformat()}: a schedule cannot begin before that",
            field="account",
        )
    return change_at


async def add_fee_schedule(
    database: Database, account: str, schedule: FeeSchedule, *, actor: str, now: datetime, request_id: str = ""
) -> None:
    """Let a fee schedule count for payments created from its time on.

    Raises NotFound, InvalidInput for a time that is past, CommandConflict when one of its scope counts from the same.
    """
    if schedule.effective_from < now - LEAD:
        raise InvalidInput("fees are agreed for what is to come", field="effective_from")
    if schedule.currency is not None:
        check_currency(schedule.currency)
    async with database.transaction(actor, request_id) as transaction:
        await _require_account(transaction, account)
        if not await transaction.settlement_rules.add_fee_schedule(account, schedule, SetBy(actor=actor, at=now)):
            raise CommandConflict(
                "another fee schedule of this scope counts from the same time", field="effective_from"
            )


async def set_reserve(
    database: Database, account: str, scope: ReserveScope, *, actor: str, now: datetime, request_id: str = ""
) -> None:
    """Set what later batches hold back. Raises NotFound, InvalidInput."""
    if scope.recipient_type not in {*RECIPIENT_TYPES, ANY}:
        raise InvalidInput(f"a recipient is one of {', '.join(RECIPIENT_TYPES)}", field="recipient_type")
    if scope.recipient_type == ANY and scope.recipient_id != ANY:
        raise InvalidInput("say of which type the recipient is", field="recipient_type")
    async with database.transaction(actor, request_id) as transaction:
        await _require_account(transaction, account)
        await transaction.settlement_rules.set_reserve_rule(account, scope, SetBy(actor=actor, at=now))


async def set_thresholds(
    database: Database, account: str, thresholds: PayoutThresholds, *, actor: str, now: datetime, request_id: str = ""
) -> None:
    """Set the thresholds of later batches in a currency. Raises NotFound, InvalidInput, InvalidMoney."""
    check_currency(thresholds.currency)
    auto, second = thresholds.auto_approve_minor, thresholds.second_approval_minor
    if min(auto or 0, second or 0, thresholds.minimum_payout_minor) < 0:
        raise InvalidInput("a threshold is not negative", field="thresholds")
    if auto is not None and second is not None and second < auto:
        raise InvalidInput("two people approve what is above what one does", field="second_approval_minor")
    async with database.transaction(actor, request_id) as transaction:
        await _require_account(transaction, account)
        await transaction.settlement_rules.set_thresholds(account, thresholds, SetBy(actor=actor, at=now))


async def _require_account(transaction: Transaction, account: str) -> None:
    if await transaction.accounts.get(account) is None:
        raise NotFound(f"there is no account {account!r}", field="account")


async def find_schedules(database: Database, account: str) -> ScheduleHistory | None:
    """The schedules of an account; None while it has none, which is until its first entry. Raises NotFound."""
    async with database.transaction() as transaction:
        await _require_account(transaction, account)
        return (await transaction.settlement_rules.histories([account])).get(account)


async def find_fee_schedules(database: Database, account: str) -> list[FeeSchedule]:
    """The fee schedules of an account, the oldest first. Raises NotFound."""
    async with database.transaction() as transaction:
        await _require_account(transaction, account)
        return await transaction.settlement_rules.fee_schedules(account)


async def find_reserve(database: Database, account: str) -> tuple[list[ReserveScope], list[HeldReserve]]:
    """The reserve rules of an account, and what is held back of whom. Raises NotFound."""
    async with database.transaction() as transaction:
        await _require_account(transaction, account)
        rules = await transaction.settlement_rules.reserve_rules(account)
        return rules, await transaction.reserves.held(account)


async def find_thresholds(database: Database, account: str) -> list[PayoutThresholds]:
    """The thresholds of an account, by currency. Raises NotFound."""
    async with database.transaction() as transaction:
        await _require_account(transaction, account)
        return await transaction.settlement_rules.thresholds(account)
