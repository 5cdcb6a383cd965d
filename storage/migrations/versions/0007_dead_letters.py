"""What was decided about dead letters and rejected callbacks; indexes for lists of callbacks and of payouts' postings.

Revision ID: 0007
"""

from alembic import op

from storage.scripts import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

DECISIONS = """
-- The records themselves lie on Kafka; a position there is put back at most once. The account is null where a record
-- does not say whose it is: those are operators' business.
create table dead_letter_decisions (
    topic text not null,
    record_partition integer not null check (record_partition >= 0),
    record_offset bigint not null check (record_offset >= 0),
    account text references accounts (id),
    decision text not null check (decision in ('retried', 'replayed', 'discarded')),
    reason text,
    body_digest text not null,
    decided_by text not null,
    decided_at timestamptz not null,
    sent_topic text,
    sent_partition integer,
    sent_offset bigint,
    primary key (topic, record_partition, record_offset),
    check ((decision = 'discarded') = (reason is not null))
);
"""

INDEXES = """
-- Callbacks as a list; facts that a gateway's API told are not in it.
create index inbox_received on inbox (account, recorded_at desc) where raw_offset is not null;
create index ledger_transactions_payout on ledger_transactions (payout_batch_id) where payout_batch_id is not null;
"""

TENANCY = """
alter table dead_letter_decisions enable row level security;
create policy tenant on dead_letter_decisions to paystream_tenant
    using (account = any(paystream_accounts())) with check (account = any(paystream_accounts()));
grant select, insert, update on dead_letter_decisions to paystream_tenant;
"""

_EVENTS = {
    "insert": "referencing new table as new_rows",
    "update": "referencing old table as old_rows new table as new_rows",
    "delete": "referencing old table as old_rows",
    "truncate": "",
}


def audit_triggers() -> str:
    """Record every decision and every change of one."""
    return "\n".join(
        f"create trigger dead_letter_decisions_audit_{event} after {event} on dead_letter_decisions {tables}"
        " for each statement execute function"
        " write_audit('dead_letter_decision', 'topic,record_partition,record_offset', '');"
        for event, tables in _EVENTS.items()
    )


def upgrade() -> None:
    """Create what decisions need."""
    for script in (DECISIONS, INDEXES, TENANCY, audit_triggers()):
        run_script(op.get_bind(), script)


def downgrade() -> None:
    """Who decided what is a record: it is not taken back."""
    raise NotImplementedError("restore a backup instead: this migration holds what was decided about dead letters")
