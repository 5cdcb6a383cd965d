"""Checks that PostgreSQL can make by itself: each is a query for what should not be there."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.audit.report import KEPT_VIOLATIONS, CheckName, CheckResult, Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCheck:
    """A check in SQL: `examined` counts what is looked at, `violations` selects (subject, message)."""

    check: CheckName
    examined: str
    violations: str


LEDGER_ZERO_SUM = TableCheck(
    check=CheckName("ledger_zero_sum", "Every ledger transaction has postings, and they sum to zero per currency."),
    examined="select count(*) from ledger_transactions",
    violations="""
        select transaction_id::text as subject,
            format('its postings sum to %s %s', sum(amount_minor), currency) as message
        from ledger_postings group by transaction_id, currency having sum(amount_minor) <> 0
        union all
        select id::text, 'has no postings' from ledger_transactions known
        where not exists (select from ledger_postings where transaction_id = known.id)
    """,
)

FACTS_NAME_THEIR_PAYMENT = TableCheck(
    check=CheckName(
        "facts_name_their_payment", "Every applied fact carries a name that its gateway has for its payment."
    ),
    examined="select count(*) from inbox where disposition = 'applied'",
    violations="""
        select concat_ws(':', gateway, account, gateway_event_id) as subject,
            format('is applied to payment %s and carries none of its names', payment_id) as message
        from inbox fact where disposition = 'applied' and not exists (
            select from payment_references known where known.payment_id = fact.payment_id
                and (known.gateway, known.account) = (fact.gateway, fact.account)
                and known.reference = any(array_append(fact.related_references, fact.provider_reference)))
    """,
)

REFUNDS_WITHIN_CAPTURES = TableCheck(
    check=CheckName("refunds_within_captures", "No payment has more refunded than captured."),
    examined="select count(*) from payments",
    violations="""
        select id as subject,
            format('refunded %s of %s captured (%s)', refunded_minor, captured_minor, currency) as message
        from payments where refunded_minor > captured_minor
    """,
)

OUTBOX_DRAINED = TableCheck(
    check=CheckName("outbox_drained", "Nothing waits in the outbox, and the relay has no plan it did not finish."),
    examined="select (select count(*) from outbox) + (select count(*) from relay_shards)",
    violations="""
        select id::text as subject, format('waits for topic %s, key %s', aggregatetype, aggregateid) as message
        from outbox
        union all
        select format('shard %s', shard), format('planned and not finished: %s', array_to_string(pending_ids, ', '))
        from relay_shards where pending_ids <> '{}'
    """,
)

COMMANDS_ANSWERED = TableCheck(
    check=CheckName("commands_answered", "No command was started and left without an answer."),
    examined="select count(*) from commands",
    violations="""
        select id as subject, format('%s of %s, started at %s', kind, subject_id, started_at) as message
        from commands where state = 'started'
    """,
)

TABLE_CHECKS: tuple[TableCheck, ...] = (
    LEDGER_ZERO_SUM,
    FACTS_NAME_THEIR_PAYMENT,
    REFUNDS_WITHIN_CAPTURES,
    OUTBOX_DRAINED,
    COMMANDS_ANSWERED,
)


async def run_table_check(connection: AsyncConnection, check: TableCheck) -> CheckResult:
    """Run one query; the violations are counted by PostgreSQL and only the first of them travel."""
    findings = Findings(check.check)
    findings.examined = int((await connection.execute(text(check.examined))).scalar_one())
    statement = text(
        f"select subject, message, count(*) over () as total from ({check.violations}) as found"  # noqa: S608 - literals
        f" order by subject limit {KEPT_VIOLATIONS}"
    )
    rows = (await connection.execute(statement)).all()
    for row in rows:
        findings.add(row.subject, row.message)
    if rows:
        findings.count_unseen(rows[0].total - len(rows))
    return findings.result()
