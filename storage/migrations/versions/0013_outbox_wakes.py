"""Writing to the outbox wakes the relay, whoever writes: a statement less for every transaction.

Revision ID: 0013
"""

from alembic import op

from storage.scripts import run_script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WAKE = """
create function wake_relay() returns trigger language plpgsql as $$
begin
    perform pg_notify('paystream_outbox', '');
    return null;
end $$;
create trigger outbox_wakes_relay after insert on outbox for each statement execute function wake_relay();
"""
SLEEP = """
drop trigger outbox_wakes_relay on outbox;
drop function wake_relay();
"""


def upgrade() -> None:
    """Let the database tell."""
    run_script(op.get_bind(), WAKE)


def downgrade() -> None:
    """Let the writers tell."""
    run_script(op.get_bind(), SLEEP)
