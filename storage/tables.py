"""SQLAlchemy Core's view of the schema, for queries. The migrations make the schema; a test compares the two."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

METADATA = MetaData()


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's xid8: the number of a transaction, 64 bits, never reused."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


def _table(name: str, primary_key: str, columns: dict[str, Any], optional: dict[str, Any] | None = None) -> SqlTable:
    keys = primary_key.split()
    required = [Column(key, kind, primary_key=key in keys, nullable=False) for key, kind in columns.items()]
    return SqlTable(
        name, METADATA, *required, *(Column(key, kind, nullable=True) for key, kind in (optional or {}).items())
    )


_MOMENT = DateTime(timezone=True)

ACCOUNTS = _table(
    "accounts",
    "id",
    {"id": Text, "name": Text, "fee_basis_points": Integer, "fee_fixed_minor": BigInteger, "created_at": _MOMENT},
)
GATEWAY_CREDENTIALS = _table(
    "gateway_credentials",
    "account gateway",
    {
        "account": Text,
        "gateway": Text,
        "key_id": Text,
        "wrapped_key": LargeBinary,
        "ciphertext": LargeBinary,
        "version": Integer,
        "updated_at": _MOMENT,
    },
)
PAYMENTS = _table(
    "payments",
    "id",
    {
        "id": Text,
        "account": Text,
        "gateway": Text,
        "resource_type": Text,
        "resource_id": Text,
        "amount_minor": BigInteger,
        "currency": Text,
        "manual_capture": Boolean,
        "splits": JSONB,
        "fee_basis_points": Integer,
        "fee_fixed_minor": BigInteger,
        "metadata": JSONB,
        "status": Text,
        "steps": JSONB,
        "awaiting_approval": Boolean,
        "authorized_minor": BigInteger,
        "captured_minor": BigInteger,
        "refunded_minor": BigInteger,
        "refund_pending_minor": BigInteger,
        "disputed_minor": BigInteger,
        "event_sequence": Integer,
        "sync_attempts": Integer,
        "changed_by": Text,
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
    },
    {
        "request_id": Text,
        "provider_reference": Text,
        "user_id": Text,
        "user_name": Text,
        "description": Text,
        "paid_at": _MOMENT,
        "refunded_at": _MOMENT,
        "failed_at": _MOMENT,
        "failure_reason": Text,
        "receipt_url": Text,
        "sync_due_at": _MOMENT,
        "quiet_since": _MOMENT,
    },
)
PAYMENT_REFERENCES = _table(
    "payment_references",
    "gateway account reference",
    {"gateway": Text, "account": Text, "reference": Text, "payment_id": Text},
)
INBOX = _table(
    "inbox",
    "gateway account gateway_event_id",
    {
        "gateway": Text,
        "account": Text,
        "gateway_event_id": Text,
        "digest": Text,
        "kind": Text,
        "provider_reference": Text,
        "related_references": ARRAY(Text),
        "disposition": Text,
        "occurred_at": _MOMENT,
        "recorded_at": _MOMENT,
    },
    {
        "movement_reference": Text,
        "amount_minor": BigInteger,
        "currency": Text,
        "claimed_payment_id": Text,
        "payment_id": Text,
        "reason": Text,
        "receipt_url": Text,
        "raw_partition": Integer,
        "raw_offset": BigInteger,
        "evidence_due_at": _MOMENT,
    },
)
TRANSITIONS = _table(
    "transitions",
    "id",
    {
        "id": BigInteger,
        "payment_id": Text,
        "from_status": Text,
        "to_status": Text,
        "gateway_event_id": Text,
        "occurred_at": _MOMENT,
        "recorded_at": _MOMENT,
    },
)
LEDGER_TRANSACTIONS = _table(
    "ledger_transactions",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "cause": Text,
        "currency": Text,
        "occurred_at": _MOMENT,
        "recorded_at": _MOMENT,
    },
    {"payment_id": Text, "payout_batch_id": Uuid, "reference": Text},
)
LEDGER_POSTINGS = _table(
    "ledger_postings",
    "transaction_id line",
    {
        "transaction_id": Uuid,
        "line": SmallInteger,
        "ledger_account": Text,
        "currency": Text,
        "amount_minor": BigInteger,
    },
)
_RECIPIENT = {"account": Text, "recipient_type": Text, "recipient_id": Text, "currency": Text}
_AMOUNTS = {"gross_minor": BigInteger, "fee_minor": BigInteger, "net_minor": BigInteger}
PAYOUT_BATCHES = _table(
    "payout_batches",
    "id",
    {
        "id": Uuid,
        **_RECIPIENT,
        **_AMOUNTS,
        "entry_count": Integer,
        "payment_count": Integer,
        "period_start": _MOMENT,
        "period_end": _MOMENT,
        "status": Text,
        "created_by": Text,
        "created_at": _MOMENT,
    },
    {"approved_by": Text, "approved_at": _MOMENT, "bank_reference": Text, "paid_at": _MOMENT},
)
SETTLEMENT_ENTRIES = _table(
    "settlement_entries",
    "id",
    {
        "id": Uuid,
        **_RECIPIENT,
        "payment_id": Text,
        "gateway": Text,
        "cause": Text,
        **_AMOUNTS,
        "occurred_at": _MOMENT,
        "counted": Boolean,
        "recorded_at": _MOMENT,
    },
    {"payout_batch_id": Uuid},
)
SETTLEMENT_WINDOWS = _table(
    "settlement_windows",
    "account recipient_type recipient_id currency window_start",
    {
        **_RECIPIENT,
        "window_start": _MOMENT,
        "window_end": _MOMENT,
        **_AMOUNTS,
        "entry_count": BigInteger,
        "sequence": BigInteger,
    },
    {"closed_at": _MOMENT, "payout_batch_id": Uuid},
)
OUTBOX = _table(
    "outbox",
    "id",
    {
        "id": BigInteger,
        "transaction_id": TransactionId,
        "shard": SmallInteger,
        "aggregatetype": Text,
        "aggregateid": Text,
        "type": Text,
        "payload": Text,
        "headers": JSONB,
        "created_at": _MOMENT,
    },
)
RELAY_SHARDS = _table(
    "relay_shards", "shard", {"shard": SmallInteger, "last_sequence": BigInteger, "pending_ids": ARRAY(BigInteger)}
)
COMMANDS = _table(
    "commands",
    "id",
    {
        "id": Text,
        "account": Text,
        "subject_id": Text,
        "actor": Text,
        "kind": Text,
        "digest": Text,
        "content": JSONB,
        "state": Text,
        "reconcile_attempts": Integer,
        "started_at": _MOMENT,
    },
    {"amount_minor": BigInteger, "result": JSONB, "finished_at": _MOMENT, "reconcile_due_at": _MOMENT},
)
_MOVEMENT = {
    "gateway": Text,
    "account": Text,
    "reference": Text,
    "payment_id": Text,
    "status": Text,
    "amount_minor": BigInteger,
    "currency": Text,
    "changed_by": Text,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}
REFUNDS = _table("refunds", "gateway account reference", _MOVEMENT, {"reason": Text, "request_id": Text})
DISPUTES = _table(
    "disputes",
    "gateway account reference",
    _MOVEMENT,
    {"reason": Text, "request_id": Text, "evidence_due_at": _MOMENT},
)
PAYMENT_EVENTS = _table(
    "payment_events",
    "payment_id sequence",
    {
        "payment_id": Text,
        "sequence": Integer,
        "event_id": Text,
        "type": Text,
        "payload": JSONB,
        "occurred_at": _MOMENT,
        "recorded_at": _MOMENT,
    },
)
INVOICES = _table(
    "invoices",
    "account id",
    {"account": Text, "id": Text, "amount_minor": BigInteger, "currency": Text, "created_at": _MOMENT},
)
MANUAL_PAYMENTS = _table(
    "manual_payments",
    "payment_id",
    {
        "payment_id": Text,
        "method": Text,
        "transaction_reference": Text,
        "submitted_by": Text,
        "submitted_at": _MOMENT,
    },
    {"notes": Text, "decided_by": Text, "decided_at": _MOMENT},
)
_VAULTED = {"account": Text, "gateway": Text, "status": Text, "created_at": _MOMENT, "updated_at": _MOMENT}
MANDATES = _table(
    "mandates",
    "id",
    {
        **_VAULTED,
        "id": Text,
        "customer_id": Text,
        "currency": Text,
    },
    {
        "max_amount_minor": BigInteger,
        "provider_reference": Text,
        "customer_reference": Text,
        "payment_method_reference": Text,
    },
)
PAYMENT_METHODS = _table(
    "payment_methods",
    "id",
    {
        **_VAULTED,
        "id": Text,
        "customer_id": Text,
    },
    {
        "provider_reference": Text,
        "customer_reference": Text,
        "kind": Text,
        "brand": Text,
        "last_four": Text,
        "expires": Text,
    },
)
PAYMENT_LINKS = _table(
    "payment_links",
    "payment_id",
    {
        **_VAULTED,
        "payment_id": Text,
        "reusable": Boolean,
    },
    {"expires_at": _MOMENT, "provider_reference": Text, "url": Text},
)
RECONCILIATION_CASES = _table(
    "reconciliation_cases",
    "id",
    {"id": Uuid, "account": Text, "kind": Text, "detail": Text, "opened_at": _MOMENT},
    {
        "payment_id": Text,
        "command_id": Text,
        "gateway": Text,
        "reference": Text,
        "resolved_at": _MOMENT,
        "resolved_by": Text,
        "resolution": Text,
    },
)
ORPHAN_SEARCHES = _table(
    "orphan_searches",
    "gateway account reference",
    {
        "gateway": Text,
        "account": Text,
        "reference": Text,
        "first_seen_at": _MOMENT,
        "attempts": Integer,
        "due_at": _MOMENT,
    },
)
AUDIT_LOG = _table(
    "audit_log",
    "id",
    {
        "id": BigInteger,
        "actor": Text,
        "action": Text,
        "subject_type": Text,
        "subject_id": Text,
        "recorded_at": _MOMENT,
    },
    {"account": Text, "before": JSONB, "after": JSONB, "request_id": Text},
)
