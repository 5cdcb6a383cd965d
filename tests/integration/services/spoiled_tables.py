"""Ways to spoil the tables after the busy evening of `audited_pipeline`, each of which breaks exactly one invariant."""

from dataclasses import dataclass

NOBODY = "00000000-0000-4000-8000-000000000001"
"""The id of everything that is made up here."""

# Only a superuser may switch the guards off for a session; the owner of the tables may remove them.
WITHOUT_GUARDS = """
do $$ declare found record; begin
    for found in select conrelid::regclass as name, conname from pg_constraint where contype = 'f' loop
        execute format('alter table %s drop constraint %I', found.name, found.conname);
    end loop;
    alter table ledger_transactions disable trigger user;
    alter table ledger_postings disable trigger user;
    alter table settlement_entries drop constraint if exists settlement_entries_check;
    alter table payout_batches drop constraint if exists payout_batches_net_minor_check;
end $$
"""


@dataclass(frozen=True, slots=True)
class Spoiled:
    """The check that must fail, what is done to the tables, and a query for the ids that must be named."""

    check: str
    statement: str
    subjects: str


SPOILED_TABLES = {
    "a transaction out of balance": Spoiled(
        "ledger_zero_sum",
        """
        with added as (
            insert into ledger_transactions (id, account, cause, currency, occurred_at, recorded_at)
            values ('00000000-0000-4000-8000-000000000001', 'demo', 'capture', 'USD', now(), now()) returning id)
        insert into ledger_postings select id, 1, 'fees:revenue', 'USD', 5 from added
        """,
        "select '00000000-0000-4000-8000-000000000001'",
    ),
    "a transaction without postings": Spoiled(
        "ledger_zero_sum",
        """
        insert into ledger_transactions (id, account, cause, currency, occurred_at, recorded_at)
        values ('00000000-0000-4000-8000-000000000001', 'demo', 'capture', 'USD', now(), now())
        """,
        "select '00000000-0000-4000-8000-000000000001'",
    ),
    "a time that no fact has": Spoiled(
        "payments_match_facts",
        "update payments set paid_at = paid_at + interval '1 second' where id = 'p1'",
        "select 'p1'",
    ),
    "a sum that no fact makes": Spoiled(
        "payments_match_facts",
        "update payments set authorized_minor = 1 where id = 'p2'",
        "select 'p2'",
    ),
    "a fact that is gone": Spoiled(
        "payments_match_facts",
        "delete from inbox where payment_id = 'p4' and kind = 'refunded'",
        "select 'p4'",
    ),
    "a conflict that is gone": Spoiled(
        "payments_match_facts",
        "delete from inbox where payment_id = 'p4' and reason = 'event_id_conflict'",
        "select 'p4'",
    ),
    "a fact of a kind that nobody knows": Spoiled(
        "payments_match_facts",
        "update inbox set kind = 'teleported' where payment_id = 'p4' and kind = 'refunded'",
        "select 'p4'",
    ),
    "a fact of another payment": Spoiled(
        "facts_name_their_payment",
        "update inbox set provider_reference = 'pi_stranger' where payment_id = 'p4' and kind = 'refunded'",
        "select concat_ws(':', gateway, account, gateway_event_id) from inbox where provider_reference = 'pi_stranger'",
    ),
    "a balanced transaction too many": Spoiled(
        "payments_match_ledger",
        """
        with added as (
            insert into ledger_transactions (id, account, payment_id, cause, currency, occurred_at, recorded_at)
            values ('00000000-0000-4000-8000-000000000001', 'demo', 'p1', 'capture', 'USD', now(), now()) returning id)
        insert into ledger_postings select id, line, ledger_account, 'USD', amount_minor from added,
            (values (1, 'gateway:stripe:receivable', 1), (2, 'fees:revenue', -1)) as
            wanted (line, ledger_account, amount_minor)
        """,
        "select 'p1'",
    ),
    "a transaction that is gone": Spoiled(
        "payments_match_ledger",
        """
        with gone as (delete from ledger_transactions where payment_id = 'p3' returning id)
        delete from ledger_postings where transaction_id in (select id from gone)
        """,
        "select 'p3'",
    ),
    "a cent that went from one payment's entry to another's": Spoiled(
        "entries_match_payments",
        """
        update settlement_entries set gross_minor = gross_minor + cent, net_minor = net_minor + cent
        from (values ('p1', 1), ('p2', -1)) as moved (id, cent)
        where payment_id = moved.id and recipient_type = 'tenant' and cause = 'capture'
        """,
        "values ('p1'), ('p2')",
    ),
    "entries whose net is not gross less fee": Spoiled(
        "entries_match_payments",
        """
        update settlement_entries set net_minor = net_minor + cent
        from (values ('p1', 1), ('p2', -1)) as moved (id, cent)
        where payment_id = moved.id and recipient_type = 'tenant' and cause = 'capture'
        """,
        "values ('p1'), ('p2')",
    ),
    "entries of another period": Spoiled(
        "entries_claimed_once",
        "update payout_batches set period_end = period_start where recipient_type = 'partner'",
        "select id::text from settlement_entries where recipient_type = 'partner' and payout_batch_id is not null",
    ),
    "a batch that counts one entry more": Spoiled(
        "batch_totals",
        "update payout_batches set entry_count = entry_count + 1 where recipient_type = 'partner'",
        "select id::text from payout_batches where recipient_type = 'partner'",
    ),
    "a batch without entries": Spoiled(
        "batch_totals",
        """
        insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor, fee_minor,
            net_minor, entry_count, payment_count, period_start, period_end, status, created_by, created_at)
        values ('00000000-0000-4000-8000-000000000001', 'demo', 'tenant', 'demo', 'USD', 5, 0, 5, 1, 1, now(), now(),
            'draft', 'somebody', now())
        """,
        "select '00000000-0000-4000-8000-000000000001'",
    ),
    "a batch that pays nothing": Spoiled(
        "batch_totals",
        """
        with emptied as (update settlement_entries set payout_batch_id = '00000000-0000-4000-8000-000000000001'
            where payout_batch_id is null and currency = 'JPY'
            returning account, recipient_type, recipient_id, currency, gross_minor, fee_minor, net_minor)
        insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor, fee_minor,
            net_minor, entry_count, payment_count, period_start, period_end, status, created_by, created_at)
        select '00000000-0000-4000-8000-000000000001', emptied.*, 1, 1, '-infinity', 'infinity', 'draft', 'somebody',
            now() from emptied
        """,
        "select '00000000-0000-4000-8000-000000000001'",
    ),
    "a window that closed with a batch that is not there": Spoiled(
        "batch_totals",
        """
        update settlement_windows set payout_batch_id = '00000000-0000-4000-8000-000000000001' where currency = 'JPY'
        """,
        """
        select concat_ws(':', account, recipient_type, recipient_id, currency, window_start at time zone 'UTC') || '+00'
        from settlement_windows where currency = 'JPY'
        """,
    ),
    "a window with a cent too many": Spoiled(
        "window_totals",
        """
        update settlement_windows set gross_minor = gross_minor + 1, net_minor = net_minor + 1
        where recipient_type = 'partner'
        """,
        """
        select concat_ws(':', account, recipient_type, recipient_id, currency, window_start at time zone 'UTC') || '+00'
        from settlement_windows where recipient_type = 'partner'
        """,
    ),
    "an entry that is not counted": Spoiled(
        "window_totals",
        """
        update settlement_entries set counted = false, window_start = null where payment_id = 'p3' and cause = 'refund'
        """,
        """
        select id::text from settlement_entries where payment_id = 'p3' and cause = 'refund' union all
        select concat_ws(':', account, recipient_type, recipient_id, currency, window_start at time zone 'UTC') || '+00'
        from settlement_windows where currency = 'JPY' and net_minor < 0
        """,
    ),
    "counted entries without a window": Spoiled(
        "window_totals",
        "delete from settlement_windows where recipient_type = 'partner'",
        "select id::text from settlement_entries where recipient_type = 'partner'",
    ),
    "a window that ends later than its schedule says": Spoiled(
        "windows_by_schedule",
        "update settlement_windows set window_end = window_end + interval '1 second' where recipient_type = 'partner'",
        """
        select concat_ws(':', account, to_char(window_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS+00:00'))
        from settlement_windows where recipient_type = 'partner'
        """,
    ),
    "a volume that no captures come to": Spoiled(
        "captured_volumes",
        "update captured_volumes set captured_minor = captured_minor + 1 where currency = 'JPY'",
        "select concat_ws(':', account, currency, month) from captured_volumes where currency = 'JPY'",
    ),
    "a batch that says it holds something back": Spoiled(
        "reserve_accounted",
        """
        update payout_batches set reserve_held_minor = 1, reserve_released_minor = 1 where recipient_type = 'partner'
        """,
        "select id::text from payout_batches where recipient_type = 'partner'",
    ),
    "a payout that was posted and not executed": Spoiled(
        "batches_match_ledger",
        """
        with added as (
            insert into ledger_transactions (id, account, payout_batch_id, cause, currency, occurred_at, recorded_at)
            select '00000000-0000-4000-8000-000000000001', account, id, 'payout_executed', currency, now(), now()
            from payout_batches where recipient_type = 'partner' returning id)
        insert into ledger_postings select id, line, ledger_account, 'USD', amount_minor from added,
            (values (1, 'recipient:partner:atelier:payable', 5), (2, 'payouts:in_transit', -5)) as
            wanted (line, ledger_account, amount_minor)
        """,
        "select id::text from payout_batches where recipient_type = 'partner'",
    ),
    "a message that waits": Spoiled(
        "outbox_drained",
        """
        insert into outbox (shard, aggregatetype, aggregateid, type, payload, headers)
        values (0, 'payments.events.v1', 'p1', 'x', '{}', '[]')
        """,
        "select id::text from outbox",
    ),
    "a plan that was not finished": Spoiled(
        "outbox_drained",
        "update relay_shards set pending_ids = '{7}' where shard = 3",
        "select 'shard 3'",
    ),
    "a command without an answer": Spoiled(
        "commands_answered",
        "update commands set state = 'started' where id = 'create_p2'",
        "select 'create_p2'",
    ),
    "a status that no transition led to": Spoiled(
        "status_transitions",
        "delete from transitions where payment_id = 'p2'",
        "select 'p2'",
    ),
    "a chain of transitions that is broken": Spoiled(
        "status_transitions",
        "update transitions set from_status = 'cancelled' where payment_id = 'p1' and to_status like '%refunded'",
        "select 'p1'",
    ),
}
