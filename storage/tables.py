"""SQLAlchemy Core's view of the pipeline's tables. The migrations make the schema; a test compares the two."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from storage.table_shapes import MOMENT, TransactionId, describe

ACCOUNTS = describe(
    "accounts",
    "id",
    {
        "id": Text,
        "name": Text,
        "fee_basis_points": Integer,
        "fee_fixed_minor": BigInteger,
        "mode": Text,
        "created_at": MOMENT,
    },
)
GATEWAY_CREDENTIALS = describe(
    "gateway_credentials",
    "account gateway",
    {
        "account": Text,
        "gateway": Text,
        "key_id": Text,
        "wrapped_key": LargeBinary,
        "ciphertext": LargeBinary,
        "version": Integer,
        "updated_at": MOMENT,
    },
)
PAYMENTS = describe(
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
        "fee_min_minor": BigInteger,
        "fee_on_refund": Text,
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
        "created_at": MOMENT,
        "updated_at": MOMENT,
    },
    {
        "request_id": Text,
        "provider_reference": Text,
        "user_id": Text,
        "user_name": Text,
        "description": Text,
        "paid_at": MOMENT,
        "refunded_at": MOMENT,
        "failed_at": MOMENT,
        "failure_reason": Text,
        "receipt_url": Text,
        "sync_due_at": MOMENT,
        "quiet_since": MOMENT,
        "fee_max_minor": BigInteger,
    },
)
PAYMENT_REFERENCES = describe(
    "payment_references",
    "gateway account reference",
    {"gateway": Text, "account": Text, "reference": Text, "payment_id": Text},
)
INBOX = describe(
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
        "occurred_at": MOMENT,
        "recorded_at": MOMENT,
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
        "evidence_due_at": MOMENT,
    },
)
TRANSITIONS = describe(
    "transitions",
    "id",
    {
        "id": BigInteger,
        "payment_id": Text,
        "from_status": Text,
        "to_status": Text,
        "gateway_event_id": Text,
        "occurred_at": MOMENT,
        "recorded_at": MOMENT,
    },
)
LEDGER_TRANSACTIONS = describe(
    "ledger_transactions",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "cause": Text,
        "currency": Text,
        "occurred_at": MOMENT,
        "recorded_at": MOMENT,
    },
    {"payment_id": Text, "payout_batch_id": Uuid, "reference": Text},
)
LEDGER_POSTINGS = describe(
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
PAYOUT_BATCHES = describe(
    "payout_batches",
    "id",
    {
        "id": Uuid,
        **_RECIPIENT,
        **_AMOUNTS,
        "entry_count": Integer,
        "payment_count": Integer,
        "period_start": MOMENT,
        "period_end": MOMENT,
        "status": Text,
        "created_by": Text,
        "created_at": MOMENT,
        "required_approvals": SmallInteger,
        "reserve_held_minor": BigInteger,
        "reserve_released_minor": BigInteger,
    },
    {
        "approved_by": Text,
        "approved_at": MOMENT,
        "bank_reference": Text,
        "paid_at": MOMENT,
        "executed_by": Text,
        "executed_at": MOMENT,
        "failed_by": Text,
        "failed_at": MOMENT,
        "failure_reason": Text,
    },
)
PAYOUT_APPROVALS = describe(
    "payout_approvals",
    "payout_batch_id approved_by",
    {"payout_batch_id": Uuid, "approved_by": Text, "approved_at": MOMENT},
)
PAYOUT_BATCH_ENTRIES = describe(
    "payout_batch_entries", "payout_batch_id entry_id", {"payout_batch_id": Uuid, "entry_id": Uuid}
)
SETTLEMENT_ENTRIES = describe(
    "settlement_entries",
    "id",
    {
        "id": Uuid,
        **_RECIPIENT,
        "payment_id": Text,
        "gateway": Text,
        "cause": Text,
        **_AMOUNTS,
        "occurred_at": MOMENT,
        "counted": Boolean,
        "recorded_at": MOMENT,
    },
    {"payout_batch_id": Uuid, "released_at": MOMENT, "window_start": MOMENT},
)
OUTBOX = describe(
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
        "created_at": MOMENT,
    },
)
RELAY_SHARDS = describe(
    "relay_shards", "shard", {"shard": SmallInteger, "last_sequence": BigInteger, "pending_ids": ARRAY(BigInteger)}
)
COMMANDS = describe(
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
        "started_at": MOMENT,
    },
    {"amount_minor": BigInteger, "result": JSONB, "finished_at": MOMENT, "reconcile_due_at": MOMENT},
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
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
REFUNDS = describe("refunds", "gateway account reference", _MOVEMENT, {"reason": Text, "request_id": Text})
DISPUTES = describe(
    "disputes",
    "gateway account reference",
    _MOVEMENT,
    {"reason": Text, "request_id": Text, "evidence_due_at": MOMENT},
)
PAYMENT_EVENTS = describe(
    "payment_events",
    "payment_id sequence",
    {
        "payment_id": Text,
        "sequence": Integer,
        "event_id": Text,
        "type": Text,
        "payload": JSONB,
        "occurred_at": MOMENT,
        "recorded_at": MOMENT,
    },
)
INVOICES = describe(
    "invoices",
    "account id",
    {"account": Text, "id": Text, "amount_minor": BigInteger, "currency": Text, "created_at": MOMENT},
)
MANUAL_PAYMENTS = describe(
    "manual_payments",
    "payment_id",
    {
        "payment_id": Text,
        "method": Text,
        "transaction_reference": Text,
        "submitted_by": Text,
        "submitted_at": MOMENT,
    },
    {"notes": Text, "decided_by": Text, "decided_at": MOMENT},
)
_VAULTED = {"account": Text, "gateway": Text, "status": Text, "created_at": MOMENT, "updated_at": MOMENT}
MANDATES = describe(
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
PAYMENT_METHODS = describe(
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
PAYMENT_LINKS = describe(
    "payment_links",
    "payment_id",
    {
        **_VAULTED,
        "payment_id": Text,
        "reusable": Boolean,
    },
    {"expires_at": MOMENT, "provider_reference": Text, "url": Text},
)
RECONCILIATION_CASES = describe(
    "reconciliation_cases",
    "id",
    {"id": Uuid, "account": Text, "kind": Text, "detail": Text, "opened_at": MOMENT},
    {
        "payment_id": Text,
        "command_id": Text,
        "gateway": Text,
        "reference": Text,
        "resolved_at": MOMENT,
        "resolved_by": Text,
        "resolution": Text,
    },
)
ORPHAN_SEARCHES = describe(
    "orphan_searches",
    "gateway account reference",
    {
        "gateway": Text,
        "account": Text,
        "reference": Text,
        "first_seen_at": MOMENT,
        "attempts": Integer,
        "due_at": MOMENT,
    },
)
AUDIT_LOG = describe(
    "audit_log",
    "id",
    {
        "id": BigInteger,
        "actor": Text,
        "action": Text,
        "subject_type": Text,
        "subject_id": Text,
        "recorded_at": MOMENT,
    },
    {"account": Text, "before": JSONB, "after": JSONB, "request_id": Text},
)
