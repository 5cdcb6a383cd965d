"""Refunds that are on their way: gateways that do not call back when they arrive are asked.

Revision ID: 0004
"""

from alembic import op

from storage.scripts import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PAYMENTS = """
alter table payments add column refund_pending_minor bigint not null default 0;
drop index payments_quiet;
create index payments_quiet on payments (coalesce(quiet_since, updated_at))
    where (status in ('pending', 'processing', 'authorized') or refund_pending_minor > 0)
    and provider_reference is not null and sync_due_at is null;
"""


def upgrade() -> None:
    """Count what is on its way back."""
    run_script(op.get_bind(), PAYMENTS)


def downgrade() -> None:
    """Forget it again; nothing is lost, because it is derived."""
    run_script(
        op.get_bind(),
        "drop index payments_quiet;"
        "create index payments_quiet on payments (coalesce(quiet_since, updated_at))"
        " where status in ('pending', 'processing', 'authorized')"
        " and provider_reference is not null and sync_due_at is null;"
        "alter table payments drop column refund_pending_minor;",
    )
