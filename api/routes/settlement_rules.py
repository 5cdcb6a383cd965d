"""Rules of settlement: schedules, fees, reserves, thresholds. Every key reads its account's, operators set them."""

from api.authentication import CallerDependency, ContextDependency
from api.operators import OPERATORS
from api.pagination import Page, page_of
from api.route import router
from api.schemas.settlement_rules import (
    FeesRequest,
    FeesResponse,
    ReserveRequest,
    ReserveResponse,
    ScheduleRequest,
    ScheduleResponse,
    SchedulesResponse,
    ThresholdsRequest,
    ThresholdsResponse,
    fees_response,
    reserve_response,
    schedule_response,
    schedules_response,
    thresholds_response,
)
from services.settlement_rules import (
    add_fee_schedule,
    find_fee_schedules,
    find_reserve,
    find_schedules,
    find_thresholds,
    set_reserve,
    set_schedule,
    set_thresholds,
)
from storage.settlement_rules import PayoutThresholds
from topics.message import Currency, Name

ROUTER = router("settlement rules")


@ROUTER.get("/accounts/{account}/settlement/schedule")
async def read_settlement_schedule(
    account: Name, caller: CallerDependency, context: ContextDependency
) -> SchedulesResponse:
    """Read the account's schedules, those to come too, and the window of now."""
    history = await find_schedules(caller.database, caller.require_account(account))
    return schedules_response(history, context.clock())


@ROUTER.put("/accounts/{account}/settlement/schedule", dependencies=OPERATORS)
async def set_settlement_schedule(
    account: Name, body: ScheduleRequest, caller: CallerDependency, context: ContextDependency
) -> ScheduleResponse:
    """Give the account a schedule. It counts from where the present window ends: `effective_from` says from when."""
    version = await set_schedule(
        context.database,
        caller.require_account(account),
        body.schedule(),
        grace_seconds=body.grace_seconds,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
    return schedule_response(version)


@ROUTER.get("/accounts/{account}/settlement/fees")
async def list_settlement_fees(account: Name, caller: CallerDependency) -> Page[FeesResponse]:
    """List the account's fee schedules, the oldest first; all of them are on one page."""
    found = await find_fee_schedules(caller.database, caller.require_account(account))
    return page_of([fees_response(schedule) for schedule in found], None)


@ROUTER.post("/accounts/{account}/settlement/fees", status_code=201, dependencies=OPERATORS)
async def add_settlement_fees(
    account: Name, body: FeesRequest, caller: CallerDependency, context: ContextDependency
) -> FeesResponse:
    """Let fees count for payments created from a time on. Of those that fit a payment, what names the most counts."""
    now = context.clock()
    schedule = body.schedule(now)
    await add_fee_schedule(
        context.database,
        caller.require_account(account),
        schedule,
        actor=caller.actor,
        request_id=caller.request_id,
        now=now,
    )
    return fees_response(schedule)


@ROUTER.get("/accounts/{account}/settlement/reserve")
async def read_settlement_reserve(account: Name, caller: CallerDependency) -> ReserveResponse:
    """Read the account's reserve rules, and what is held back of whom."""
    return reserve_response(*await find_reserve(caller.database, caller.require_account(account)))


@ROUTER.put("/accounts/{account}/settlement/reserve", dependencies=OPERATORS)
async def set_settlement_reserve(
    account: Name, body: ReserveRequest, caller: CallerDependency, context: ContextDependency
) -> ReserveResponse:
    """Set what later payouts hold back. What is held already keeps its day of release."""
    await set_reserve(
        context.database,
        caller.require_account(account),
        body.scope(),
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
    return reserve_response(*await find_reserve(caller.database, account))


@ROUTER.get("/accounts/{account}/settlement/thresholds")
async def list_settlement_thresholds(account: Name, caller: CallerDependency) -> Page[ThresholdsResponse]:
    """List the account's thresholds by currency; all of them are on one page."""
    found = await find_thresholds(caller.database, caller.require_account(account))
    return page_of([thresholds_response(thresholds) for thresholds in found], None)


@ROUTER.put("/accounts/{account}/settlement/thresholds/{currency}", dependencies=OPERATORS)
async def set_settlement_thresholds(
    account: Name, currency: Currency, body: ThresholdsRequest, caller: CallerDependency, context: ContextDependency
) -> ThresholdsResponse:
    """Set the thresholds of later payouts in a currency, all of them: what is left out is as the settings say."""
    wanted = PayoutThresholds(
        currency=currency,
        auto_approve_minor=body.auto_approve_minor,
        second_approval_minor=body.second_approval_minor,
        minimum_payout_minor=body.minimum_payout_minor,
    )
    await set_thresholds(
        context.database,
        caller.require_account(account),
        wanted,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
    return thresholds_response(wanted)
