"""SQLAlchemy Core's view of the tables that only the HTTP API keeps."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB

from storage.table_shapes import MOMENT, describe

API_KEYS = describe(
    "api_keys",
    "id",
    {
        "id": Text,
        "digest": LargeBinary,
        "name": Text,
        "kind": Text,
        "mode": Text,
        "accounts": ARRAY(Text),
        "scopes": ARRAY(Text),
        "created_by": Text,
        "created_at": MOMENT,
    },
    {"expires_at": MOMENT, "revoked_at": MOMENT},
)
API_KEY_USES = describe("api_key_uses", "id", {"id": Text, "last_used_at": MOMENT})
API_ANSWERS = describe(
    "api_answers",
    "account idempotency_key",
    {"account": Text, "idempotency_key": Text, "fingerprint": LargeBinary, "started_at": MOMENT},
    {"key_id": Text, "wrapped_key": LargeBinary, "ciphertext": LargeBinary},
)
PAYMENT_OPTIONS = describe(
    "payment_options",
    "account gateway",
    {
        "account": Text,
        "gateway": Text,
        "enabled": Boolean,
        "priority": Integer,
        "settings": JSONB,
        "updated_at": MOMENT,
    },
    {
        "payment_methods": ARRAY(Text),
        "countries": ARRAY(Text),
        "currencies": ARRAY(Text),
        "min_amount_minor": BigInteger,
        "max_amount_minor": BigInteger,
        "display_name": Text,
    },
)
CHECKOUT_PAGES = describe(
    "checkout_pages",
    "digest",
    {"digest": LargeBinary, "account": Text, "payment_id": Text, "created_at": MOMENT, "expires_at": MOMENT},
    {"return_url": Text},
)
DEAD_LETTER_DECISIONS = describe(
    "dead_letter_decisions",
    "topic record_partition record_offset",
    {
        "topic": Text,
        "record_partition": Integer,
        "record_offset": BigInteger,
        "decision": Text,
        "body_digest": Text,
        "decided_by": Text,
        "decided_at": MOMENT,
    },
    {
        "account": Text,
        "reason": Text,
        "sent_topic": Text,
        "sent_partition": Integer,
        "sent_offset": BigInteger,
    },
)
