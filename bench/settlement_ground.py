"""What the settlement benchmark works on: a day's entries of many recipients, with the ledger that they came with.

The rows are made by PostgreSQL itself, since making them is not what is measured; they are those that `apply_events`
writes for captures and refunds of payments with two recipients. From counting on, everything is done by the services.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from domain.reserve import ReserveRule
from domain.schedule import Cadence, Schedule
from services.accounts import create_account
from services.audit.report import CheckName, CheckResult
from services.audit.schedule_check import check_schedules
from services.audit.settlement_checks import SETTLEMENT_CHECKS
from services.audit.table_checks import LEDGER_ZERO_SUM, TableCheck, run_table_check
from services.settlement_rules import set_reserve, set_schedule
from storage.accounts import Account
from storage.settlement_rules import ReserveScope
from storage.unit_of_work import Database

ACCOUNT = "bench"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
RESERVE = ReserveRule(basis_points=1_000, days=30)
FEE_BASIS_POINTS = 290
FEE_FIXED_MINOR = 30
ENTRIES_OF_TEN_PAYMENTS = 22
"""Each is captured for two recipients, and one of ten is half refunded."""

# A payment of 10.00 to 509.99 to a partner (a fifth) and the tenant (the rest), every fourth one of a partner in EUR.
_PAYMENTS = """
    insert into payments (id, account, gateway, resource_type, resource_id, amount_minor, currency, splits,
        fee_basis_points, fee_fixed_minor, status, captured_minor, created_at, updated_at)
    select 'p' || number, :account, 'stripe', 'order', 'o' || number, amount,
        case when number / cast(:partners as bigint) % 4 = 3 then 'EUR' else 'USD' end,
        jsonb_build_array(jsonb_build_array('partner', 'r' || number % cast(:partners as bigint), amount / 5),
            jsonb_build_array('tenant', cast(:account as text), amount - amount / 5)),
        :basis_points, :fixed_minor, 'completed', amount, cast(:day as timestamptz), cast(:day as timestamptz)
    from (select number, 1000 + number * 7919 % 50000 as amount
        from generate_series(cast(:first as bigint), cast(:last as bigint)) as number) as numbered
"""
_ENTRIES = """
    insert into settlement_entries (id, account, recipient_type, recipient_id, currency, payment_id, gateway, cause,
        gross_minor, fee_minor, net_minor, occurred_at, recorded_at)
    select gen_random_uuid(), :account, type, recipient, currency, id, 'stripe', cause, gross, fee, gross - fee,
        cast(:day as timestamptz) + number * interval '1 day' / cast(:payments as bigint), cast(:day as timestamptz)
    from (select id, currency, amount_minor as amount, substr(id, 2)::bigint as number,
            round(amount_minor * :basis_points / 10000.0)::bigint + :fixed_minor as fee_of_all,
            'r' || substr(id, 2)::bigint % cast(:partners as bigint) as partner
        from payments where substr(id, 2)::bigint between cast(:first as bigint) and cast(:last as bigint)) as paid
    cross join lateral (values
        ('partner', partner, 'capture', amount / 5, fee_of_all / 5),
        ('tenant', cast(:account as text), 'capture', amount - amount / 5, fee_of_all - fee_of_all / 5),
        ('partner', partner, 'refund', -(amount / 2 / 5), 0),
        ('tenant', cast(:account as text), 'refund', -(amount / 2 - amount / 2 / 5), 0)
    ) as moved (type, recipient, cause, gross, fee) where cause = 'capture' or number % 10 = 0
"""
# One ledger transaction for everything a recipient got; what gateways owe and what was earned is the other side.
_GOT = """
    create temporary table got on commit drop as select gen_random_uuid() as id, recipient_type, recipient_id, currency,
        sum(gross_minor)::bigint as gross, sum(fee_minor)::bigint as fee
    from settlement_entries group by recipient_type, recipient_id, currency
"""
_TRANSACTIONS = """
    insert into ledger_transactions (id, account, cause, currency, occurred_at, recorded_at)
    select id, :account, 'capture', currency, cast(:day as timestamptz), cast(:day as timestamptz) from got
"""
_POSTINGS = r"""
    insert into ledger_postings (transaction_id, line, ledger_account, currency, amount_minor)
    select id, line, ledger_account, currency, amount from got cross join lateral (values
        (0, 'gateway\:stripe\:receivable', gross),
        (1, 'fees\:revenue', -fee),
        (2, concat_ws('\:', 'recipient', recipient_type, recipient_id, 'payable'), fee - gross)
    ) as posted (line, ledger_account, amount) where amount <> 0
"""
_ANALYZE = "vacuum analyze settlement_entries, payments, ledger_transactions, ledger_postings"

PAYABLES_AGREE = TableCheck(
    check=CheckName(
        "payables_agree", "What the ledger owes a recipient is what no batch pays yet, and what unpaid batches pay."
    ),
    examined="select count(distinct (ledger_account, currency)) from ledger_postings"
    " where ledger_account like '%payable'",
    violations=r"""
        with owed as (
            select concat_ws('\:', 'recipient', recipient_type, recipient_id, 'payable') as ledger_account, currency,
                net_minor from settlement_entries where payout_batch_id is null
            union all
            select concat_ws('\:', 'recipient', recipient_type, recipient_id, 'payable'), currency, net_minor
            from payout_batches where status in ('draft', 'approved')
            union all
            select ledger_account, currency, amount_minor from ledger_postings where ledger_account like '%payable')
        select ledger_account as subject, format('differs by %s %s', sum(net_minor), currency) as message
        from owed group by ledger_account, currency having sum(net_minor) <> 0
    """,
)
CHECKS = (*SETTLEMENT_CHECKS, LEDGER_ZERO_SUM, PAYABLES_AGREE)
PAYMENTS_AT_ONCE = 50_000


async def fill(
    database: Database, *, entries: int, partners: int, cadence: Cadence, progress: Callable[[int], None]
) -> int:
    """Make an account with its rules, and at least so many entries of one day; returns how many there are."""
    await create_account(database, Account(ACCOUNT, ACCOUNT, FEE_BASIS_POINTS, FEE_FIXED_MINOR))
    schedule = Schedule(cadence=cadence, time_zone="UTC")
    await set_schedule(database, ACCOUNT, schedule, grace_seconds=None, actor=ACCOUNT, now=NOW)
    scope = ReserveScope(recipient_type="partner", rule=RESERVE)
    await set_reserve(database, ACCOUNT, scope, actor=ACCOUNT, now=NOW)
    payments = -(-entries * 10 // ENTRIES_OF_TEN_PAYMENTS)
    values = {
        "account": ACCOUNT,
        "day": DAY,
        "payments": payments,
        "partners": partners,
        "basis_points": FEE_BASIS_POINTS,
        "fixed_minor": FEE_FIXED_MINOR,
    }
    for first in range(0, payments, PAYMENTS_AT_ONCE):
        last = min(first + PAYMENTS_AT_ONCE, payments) - 1
        async with database.transaction() as transaction:
            await transaction.connection.execute(
                text(_PAYMENTS), {**_used(_PAYMENTS, values), "first": first, "last": last}
            )
            await transaction.connection.execute(
                text(_ENTRIES), {**_used(_ENTRIES, values), "first": first, "last": last}
            )
        progress(last + 1)
    async with database.transaction() as transaction:
        for statement in (_GOT, _TRANSACTIONS, _POSTINGS):
            await transaction.connection.execute(text(statement), _used(statement, values))
        made = await transaction.settlement.count_uncounted()
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(_ANALYZE))
    return made


async def check(database: Database) -> list[CheckResult]:
    """Compare entries, windows, batches, reserve and ledger with each other, as `paystream audit` does."""
    async with database.snapshot() as transaction:
        results = [await run_table_check(transaction.connection, one) for one in CHECKS]
        return [*results, await check_schedules(transaction.connection)]


def _used(statement: str, values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if f":{name}" in statement}
