"""Waiting facts by any of their names, as one index: looking for them reads what waits, however much was ever recorded.

The order of transaction ids goes: nobody publishes by it any more, and every message paid for it.

Revision ID: 0012
"""

from alembic import op

from storage.scripts import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WAITING_NAMES = """
create index inbox_waiting_names on inbox using gin (array_append(related_references, provider_reference))
    where payment_id is null
    and (disposition = 'orphaned' or (disposition = 'ignored' and reason = 'event_id_conflict'));
drop index outbox_commit_order;
"""
BEFORE = """
create index outbox_commit_order on outbox (transaction_id, id);
drop index inbox_waiting_names;
"""


def upgrade() -> None:
    """Add the one index and drop the other."""
    run_script(op.get_bind(), WAITING_NAMES)


def downgrade() -> None:
    """Go back to what was there before."""
    run_script(op.get_bind(), BEFORE)
