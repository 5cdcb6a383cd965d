"""Checks of settlement that PostgreSQL can make by itself."""

from domain.payouts import PayoutCause
from domain.reserve import ReserveCause
from services.audit.report import CheckName
from services.audit.table_checks import TableCheck
from storage.settlement_tables import WINDOW_AMOUNTS, WINDOW_COUNTS

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
        "A payout batch pays more than nothing, its totals are its entries' and its reserve's; windows name real ones.",
    ),
    examined="select count(*) from payout_batches",
    violations="""
        select batch.id::text as subject, case when sums.id is null and reserve_released_minor = 0
            then 'has no entries' else
            format('has gross %s, fee %s, net %s with %s held and %s released, %s entries, %s payments; its entries'
                ' add up to %s, %s, %s, %s, %s', batch.gross_minor, batch.fee_minor, batch.net_minor,
                reserve_held_minor, reserve_released_minor, batch.entry_count, batch.payment_count,
                sums.gross_minor, sums.fee_minor, sums.net_minor, sums.entries, sums.payments) end as message
        from payout_batches batch left join (
            select claimed.payout_batch_id as id, sum(gross_minor) as gross_minor, sum(fee_minor) as fee_minor,
                sum(net_minor) as net_minor, count(*) as entries, count(distinct payment_id) as payments
            from payout_batch_entries claimed join settlement_entries entry on entry.id = claimed.entry_id
            group by claimed.payout_batch_id) sums using (id)
        where (sums.id is null and reserve_released_minor = 0)
            or (batch.gross_minor, batch.fee_minor, batch.net_minor + reserve_held_minor - reserve_released_minor,
                batch.entry_count, batch.payment_count)
                <> (coalesce(sums.gross_minor, 0), coalesce(sums.fee_minor, 0), coalesce(sums.net_minor, 0),
                    coalesce(sums.entries, 0), coalesce(sums.payments, 0))
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

_RECIPIENT = "account, recipient_type, recipient_id, currency"
_TOTALS = ", ".join((*WINDOW_AMOUNTS, *WINDOW_COUNTS))
_BY_CAUSE = {"captures": "capture", "refunds": "refund", "disputes": "dispute_lost", "reversals": "reversal"}
_SUMS = ", ".join(
    [
        f"coalesce(sum(gross_minor) filter (where cause = '{cause}'), 0) as {name}_minor"
        for name, cause in _BY_CAUSE.items()
    ]
    + ["count(*) as entry_count"]
    + [
        f"count(*) filter (where cause = '{cause}') as {name.removesuffix('s')}_count"
        for name, cause in _BY_CAUSE.items()
    ]
)
_KNOWN = ", ".join(f"known.{name}" for name in (*WINDOW_AMOUNTS, *WINDOW_COUNTS))
_SUMMED = ", ".join(f"coalesce(sums.{name}, 0)" for name in (*WINDOW_AMOUNTS, *WINDOW_COUNTS))

WINDOW_TOTALS = TableCheck(
    check=CheckName(
        "window_totals",
        "A window's totals are those of the entries in it; every entry is counted in one, of its time; none overlap.",
    ),
    examined="select count(*) from settlement_windows",
    violations=f"""
        with sums as (
            select {_RECIPIENT}, window_start, sum(gross_minor) as gross_minor, sum(fee_minor) as fee_minor,
                sum(net_minor) as net_minor, {_SUMS}, min(occurred_at) as first_event_at,
                max(occurred_at) as last_event_at
            from settlement_entries where counted group by {_RECIPIENT}, window_start)
        select concat_ws(':', {_RECIPIENT}, window_start) as subject,
            format('has %s between %s and %s; the entries in it add up to %s between %s and %s ({_TOTALS})',
                row({_KNOWN}), known.first_event_at, known.last_event_at,
                row({_SUMMED}), sums.first_event_at, sums.last_event_at) as message
        from settlement_windows known left join sums using ({_RECIPIENT}, window_start)
        where row({_KNOWN}) <> row({_SUMMED}) or row(known.first_event_at, known.last_event_at)
            is distinct from row(sums.first_event_at, sums.last_event_at)
        union all
        select id::text, 'is not counted in any window' from settlement_entries where not counted
        union all
        select id::text, case when known.window_end is null then 'is marked as counted and has no window'
            else format('happened at %s and is counted in the window from %s to %s',
                entry.occurred_at, entry.window_start, known.window_end) end
        from settlement_entries entry left join settlement_windows known using ({_RECIPIENT}, window_start)
        where counted and (known.window_end is null
            or entry.occurred_at < entry.window_start or entry.occurred_at >= known.window_end)
        union all
        select concat_ws(':', {_RECIPIENT}, window_start),
            format('begins before the one before it ends, at %s', previous)
        from (select {_RECIPIENT}, window_start, lag(window_end) over (
            partition by {_RECIPIENT} order by window_start) as previous from settlement_windows) following
        where window_start < previous
    """,  # noqa: S608 - literals of this package
)

RESERVE_ACCOUNTED = TableCheck(
    check=CheckName(
        "reserve_accounted",
        "What batches hold back and release is what the reserve says, and is released at most once.",
    ),
    examined="select count(*) from payout_batches",
    violations="""
        select batch.id::text as subject, format('holds %s back; the reserve says %s%s', batch.reserve_held_minor,
            coalesce(hold.amount_minor, 0), case when hold.voided_at is null then '' else ', void' end) as message
        from payout_batches batch left join reserve_holds hold on hold.payout_batch_id = batch.id
        where batch.reserve_held_minor <> coalesce(hold.amount_minor, 0)
            or (hold.id is not null and (batch.status = 'failed') <> (hold.voided_at is not null))
        union all
        select batch.id::text, format('releases %s; the reserve says %s', batch.reserve_released_minor,
            coalesce(sum(hold.amount_minor), 0))
        from payout_batches batch left join reserve_releases released on released.payout_batch_id = batch.id
        left join reserve_holds hold on hold.id = released.hold_id
        group by batch.id having batch.reserve_released_minor <> coalesce(sum(hold.amount_minor), 0)
        union all
        select hold.id::text, format('is released by payout batch %s and should be by %s', hold.released_batch_id,
            released.payout_batch_id)
        from reserve_holds hold full join (
            select hold_id, payout_batch_id from reserve_releases
            join payout_batches batch on batch.id = payout_batch_id and batch.status <> 'failed') released
            on released.hold_id = hold.id
        where hold.released_batch_id is distinct from released.payout_batch_id
        union all
        select hold.id::text, format('is held for somebody else than payout batch %s or %s pays', made.id, paid.id)
        from reserve_holds hold join payout_batches made on made.id = hold.payout_batch_id
        left join payout_batches paid on paid.id = hold.released_batch_id
        where (hold.account, hold.recipient_type, hold.recipient_id, hold.currency)
                <> (made.account, made.recipient_type, made.recipient_id, made.currency)
            or (hold.account, hold.recipient_type, hold.recipient_id, hold.currency)
                <> (paid.account, paid.recipient_type, paid.recipient_id, paid.currency)
    """,
)

_POSTED_BY_PAYOUTS = ", ".join(f"'{cause.value}'" for cause in (*PayoutCause, *ReserveCause))
BATCHES_MATCH_LEDGER = TableCheck(
    check=CheckName("batches_match_ledger", "A payout batch's postings are what its status and its reserve demand."),
    examined="select count(*) from payout_batches",
    violations=f"""
        with lives as (
            select *, format('recipient:%s:%s:payable', recipient_type, recipient_id) as payable,
                format('recipient:%s:%s:reserve', recipient_type, recipient_id) as reserve,
                case when status = 'failed' then 0 else reserve_held_minor - reserve_released_minor end as held,
                case when status in ('processing', 'completed') then net_minor else 0 end as executed,
                case when status = 'completed' then net_minor else 0 end as completed
            from payout_batches),
        demanded as (
            select id, currency, demand.ledger_account, demand.amount from lives cross join lateral (values
                (payable, held + executed), (reserve, -held),
                ('payouts:in_transit', completed - executed), ('bank:settlement', -completed)
            ) as demand (ledger_account, amount)),
        posted as (
            select payout_batch_id as id, posting.currency, ledger_account, sum(amount_minor) as amount
            from ledger_transactions entry join ledger_postings posting on transaction_id = entry.id
            where payout_batch_id is not null and cause in ({_POSTED_BY_PAYOUTS}) group by 1, 2, 3)
        select id::text as subject, format('%s holds %s %s because of it, its status demands %s', ledger_account,
            coalesce(posted.amount, 0), currency, coalesce(demanded.amount, 0)) as message
        from demanded full join posted using (id, currency, ledger_account)
        where coalesce(demanded.amount, 0) <> coalesce(posted.amount, 0)
    """,  # noqa: S608 - literals of this package
)

CAPTURED_VOLUMES = TableCheck(
    check=CheckName("captured_volumes", "The volumes that choose the tiers of fees are those of the counted captures."),
    examined="select count(*) from captured_volumes",
    violations="""
        select concat_ws(':', account, currency, month) as subject,
            format('has a volume of %s, its captures come to %s',
                coalesce(known.captured_minor, 0), coalesce(sums.captured_minor, 0)) as message
        from captured_volumes known full join (
            select account, currency, date_trunc('month', occurred_at at time zone 'UTC')::date as month,
                sum(gross_minor) as captured_minor
            from settlement_entries where counted and cause = 'capture' group by 1, 2, 3) sums
            using (account, currency, month)
        where coalesce(known.captured_minor, 0) <> coalesce(sums.captured_minor, 0)
    """,
)

SETTLEMENT_CHECKS: tuple[TableCheck, ...] = (
    ENTRIES_CLAIMED_ONCE,
    BATCH_TOTALS,
    WINDOW_TOTALS,
    RESERVE_ACCOUNTED,
    BATCHES_MATCH_LEDGER,
    CAPTURED_VOLUMES,
)
