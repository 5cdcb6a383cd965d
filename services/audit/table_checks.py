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

ENTRIES_CLAIMED_ONCE = TableCheck(
    check=CheckName(
        "entries_claimed_once", "Every claimed entry is counted, and in the period of a batch of its own recipient."
    ),
    examined="select count(*) from settlement_entries where payout_batch_id is not null",
    violations="""
        select entry.id::text as subject, format('is claimed by payout batch %s, which %s', entry.payout_batch_id,
            case when batch.id is null then 'does not exist'
                when not entry.counted then 'was made before the entry was counted'
                when entry.occurred_at < batch.period_start or entry.occurred_at >= batch.period_end
                    then 'is for another period'
                else 'pays somebody else' end) as message
        from settlement_entries entry left join payout_batches batch on batch.id = entry.payout_batch_id
        where entry.payout_batch_id is not null and (batch.id is null or not entry.counted
            or entry.occurred_at < batch.period_start or entry.occurred_at >= batch.period_end
            or (entry.account, entry.recipient_type, entry.recipient_id, entry.currency)
                <> (batch.account, batch.recipient_type, batch.recipient_id, batch.currency))
        union all
        select entry.id::text, format('is claimed by payout batch %s, which has failed', batch.id)
        from settlement_entries entry join payout_batches batch on batch.id = entry.payout_batch_id
        where batch.status = 'failed'
        union all
        select claimed.entry_id::text, format('was claimed by payout batch %s and is not any more', batch.id)
        from payout_batch_entries claimed join payout_batches batch on batch.id = claimed.payout_batch_id
        join settlement_entries entry on entry.id = claimed.entry_id
        where batch.status <> 'failed' and entry.payout_batch_id is distinct from batch.id
    """,
)

BATCH_TOTALS = TableCheck(
    check=CheckName(
        "batch_totals",
        "A payout batch pays more than nothing, its totals are those of its entries; windows name real ones.",
    ),
    examined="select count(*) from payout_batches",
    violations="""
        select batch.id::text as subject, case when sums.id is null then 'has no entries' else
            format('has gross %s, fee %s, net %s, %s entries, %s payments; its entries add up to %s, %s, %s, %s, %s',
                batch.gross_minor, batch.fee_minor, batch.net_minor, batch.entry_count, batch.payment_count,
                sums.gross_minor, sums.fee_minor, sums.net_minor, sums.entries, sums.payments) end as message
        from payout_batches batch left join (
            select claimed.payout_batch_id as id, sum(gross_minor) as gross_minor, sum(fee_minor) as fee_minor,
                sum(net_minor) as net_minor, count(*) as entries, count(distinct payment_id) as payments
            from payout_batch_entries claimed join settlement_entries entry on entry.id = claimed.entry_id
            group by claimed.payout_batch_id) sums using (id)
        where sums.id is null
            or (batch.gross_minor, batch.fee_minor, batch.net_minor, batch.entry_count, batch.payment_count)
                <> (sums.gross_minor, sums.fee_minor, sums.net_minor, sums.entries, sums.payments)
        union all
        select id::text, format('pays %s, which is not above zero', net_minor) from payout_batches where net_minor <= 0
        union all
        select concat_ws(':', account, recipient_type, recipient_id, currency, window_start),
            format('the window closed with payout batch %s, which its recipient does not have', payout_batch_id)
        from settlement_windows closed where payout_batch_id is not null and not exists (
            select from payout_batches batch where batch.id = closed.payout_batch_id
                and (batch.account, batch.recipient_type, batch.recipient_id, batch.currency)
                    = (closed.account, closed.recipient_type, closed.recipient_id, closed.currency))
    """,
)

WINDOW_TOTALS = TableCheck(
    check=CheckName(
        "window_totals", "A window's totals are those of the entries in it; every entry is counted in one."
    ),
    examined="select count(*) from settlement_windows",
    # Windows are aligned to the epoch, so an entry's window follows from its time and the size; joining on that is one
    # pass, where comparing every entry with every window of its recipient would take the product of both.
    violations="""
        with sizes as (
            select distinct window_end - window_start as size from settlement_windows where window_end > window_start),
        sums as (
            select account, recipient_type, recipient_id, currency, size,
                date_bin(size, occurred_at, timestamptz 'epoch') as window_start, sum(gross_minor) as gross_minor,
                sum(fee_minor) as fee_minor, sum(net_minor) as net_minor, count(*) as entry_count
            from settlement_entries cross join sizes where counted group by 1, 2, 3, 4, 5, 6)
        select concat_ws(':', account, recipient_type, recipient_id, currency, window_start) as subject,
            format('has gross %s, fee %s, net %s, %s entries; the entries in it add up to %s, %s, %s, %s',
                known.gross_minor, known.fee_minor, known.net_minor, known.entry_count, coalesce(sums.gross_minor, 0),
                coalesce(sums.fee_minor, 0), coalesce(sums.net_minor, 0), coalesce(sums.entry_count, 0)) as message
        from (select *, window_end - window_start as size from settlement_windows) known
        left join sums using (account, recipient_type, recipient_id, currency, size, window_start)
        where (known.gross_minor, known.fee_minor, known.net_minor, known.entry_count)
            <> (coalesce(sums.gross_minor, 0), coalesce(sums.fee_minor, 0),
                coalesce(sums.net_minor, 0), coalesce(sums.entry_count, 0))
        union all
        select id::text, 'is not counted in any window' from settlement_entries where not counted
        union all
        select id::text, 'is marked as counted and has no window' from settlement_entries entry
        where counted and not exists (
            select from sizes join settlement_windows known on known.window_end - known.window_start = size
                and known.window_start = date_bin(size, entry.occurred_at, timestamptz 'epoch')
            where (known.account, known.recipient_type, known.recipient_id, known.currency)
                = (entry.account, entry.recipient_type, entry.recipient_id, entry.currency))
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
    ENTRIES_CLAIMED_ONCE,
    BATCH_TOTALS,
    WINDOW_TOTALS,
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
