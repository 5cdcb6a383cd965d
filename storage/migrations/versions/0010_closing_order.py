"""The order in which windows close, as an index: taking the next one reads one row, however many close at once.

Revision ID: 0010
"""

from alembic import op

from storage.scripts import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

IN_ORDER = """
drop index settlement_windows_open;
create index settlement_windows_open on settlement_windows
    (closes_at, window_end, account, recipient_type, recipient_id, currency) where closed_at is null;
"""
BY_TIME_ALONE = """
drop index settlement_windows_open;
create index settlement_windows_open on settlement_windows (closes_at) where closed_at is null;
"""


def upgrade() -> None:
    """Make the index wide enough for the whole order."""
    run_script(op.get_bind(), IN_ORDER)


def downgrade() -> None:
    """Go back to the times alone."""
    run_script(op.get_bind(), BY_TIME_ALONE)
