"""SQLAlchemy Core's view of settlement's windows and rules."""

from sqlalchemy import BigInteger, Boolean, Date, Integer, SmallInteger, Text, Time, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from storage.table_shapes import MOMENT, describe

_RECIPIENT = {"account": Text, "recipient_type": Text, "recipient_id": Text, "currency": Text}
_SET = {"set_by": Text, "set_at": MOMENT}

WINDOW_AMOUNTS = (
    "gross_minor", "fee_minor", "net_minor", "captures_minor", "refunds_minor", "disputes_minor", "reversals_minor",
)  # fmt: skip
WINDOW_COUNTS = ("entry_count", "capture_count", "refund_count", "dispute_count", "reversal_count")

SETTLEMENT_WINDOWS = describe(
    "settlement_windows",
    "account recipient_type recipient_id currency window_start",
    {
        **_RECIPIENT,
        "window_start": MOMENT,
        "window_end": MOMENT,
        "closes_at": MOMENT,
        **dict.fromkeys((*WINDOW_AMOUNTS, *WINDOW_COUNTS), BigInteger),
        "sequence": BigInteger,
        "changed_at": MOMENT,
    },
    {
        "first_event_at": MOMENT,
        "last_event_at": MOMENT,
        "watermark": MOMENT,
        "closed_at": MOMENT,
        "payout_batch_id": Uuid,
    },
)
SETTLEMENT_SCHEDULES = describe(
    "settlement_schedules",
    "account effective_from",
    {
        "account": Text,
        "effective_from": MOMENT,
        "cadence": Text,
        "time_zone": Text,
        "cut_off": Time,
        "is_default": Boolean,
        **_SET,
    },
    {"size_seconds": Integer, "weekday": SmallInteger, "grace_seconds": Integer},
)
FEE_SCHEDULES = describe(
    "fee_schedules",
    "id",
    {
        "id": Uuid,
        "account": Text,
        "effective_from": MOMENT,
        "basis_points": Integer,
        "fixed_minor": BigInteger,
        "min_minor": BigInteger,
        "on_refund": Text,
        "tiers": JSONB,
        "is_withdrawn": Boolean,
        **_SET,
    },
    {"gateway": Text, "method": Text, "currency": Text, "max_minor": BigInteger},
)
CAPTURED_VOLUMES = describe(
    "captured_volumes",
    "account currency month",
    {"account": Text, "currency": Text, "month": Date, "captured_minor": BigInteger},
)
RESERVE_RULES = describe(
    "reserve_rules",
    "account recipient_type recipient_id",
    {
        "account": Text,
        "recipient_type": Text,
        "recipient_id": Text,
        "basis_points": Integer,
        "days": Integer,
        **_SET,
    },
)
PAYOUT_THRESHOLDS = describe(
    "payout_thresholds",
    "account currency",
    {"account": Text, "currency": Text, "minimum_payout_minor": BigInteger, **_SET},
    {"auto_approve_minor": BigInteger, "second_approval_minor": BigInteger},
)
RESERVE_HOLDS = describe(
    "reserve_holds",
    "id",
    {
        "id": Uuid,
        **_RECIPIENT,
        "amount_minor": BigInteger,
        "payout_batch_id": Uuid,
        "held_at": MOMENT,
        "release_at": MOMENT,
    },
    {"voided_at": MOMENT, "released_batch_id": Uuid},
)
RESERVE_RELEASES = describe("reserve_releases", "payout_batch_id hold_id", {"payout_batch_id": Uuid, "hold_id": Uuid})
