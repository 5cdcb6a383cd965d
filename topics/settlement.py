"""Settlement on the wire: entries, running totals of windows, payout batches."""

from typing import Literal

from domain.ledger import Cause
from domain.settlement import BatchStatus
from topics.message import AmountMinor, Currency, Identifier, Message, Name, Timestamp


class SettlementEntry(Message):
    """A movement of one recipient's money; refunds and lost disputes are negative. net = gross - fee."""

    entry_id: Identifier
    account: Name
    recipient_type: Literal["tenant", "partner"]
    recipient_id: Name
    currency: Currency
    payment_id: Identifier
    gateway: Name
    cause: Cause
    gross_minor: AmountMinor
    fee_minor: AmountMinor
    net_minor: AmountMinor
    occurred_at: Timestamp


class SettlementWindow(Message):
    """Running totals of one recipient, currency and window. `sequence` is the highest entry sequence counted.

    - gross = captures + refunds + disputes + reversals, of which all but captures are negative; net = gross - fee.
    - `first_event_at`, `last_event_at`: between which times the entries happened; none without entries.
    - `watermark`: up to which event time everything recorded had been counted, when this was written.
    - `closed_at`: when the window closed, and `payout_batch_id` the batch that this led to, if any. Entries that
      come later are late: they still count here, and are paid by another batch.

    What has a default was added later and is none in older records.
    """

    account: Name
    recipient_type: Literal["tenant", "partner"]
    recipient_id: Name
    currency: Currency
    window_start: Timestamp
    window_end: Timestamp
    gross_minor: AmountMinor
    fee_minor: AmountMinor
    net_minor: AmountMinor
    entry_count: int
    sequence: int
    captures_minor: AmountMinor | None = None
    refunds_minor: AmountMinor | None = None
    disputes_minor: AmountMinor | None = None
    reversals_minor: AmountMinor | None = None
    capture_count: int | None = None
    refund_count: int | None = None
    dispute_count: int | None = None
    reversal_count: int | None = None
    first_event_at: Timestamp | None = None
    last_event_at: Timestamp | None = None
    watermark: Timestamp | None = None
    closed_at: Timestamp | None = None
    payout_batch_id: Identifier | None = None


class PayoutBatch(Message):
    """A payout to one recipient in one currency, as it stands after each change.

    - net = gross - fee - reserve held + reserve released, and is what is paid.
    - `payment_ids`: in order; of a large batch the first of them, and then `payment_ids_complete` is false.
    - `required_approvals`: how many people have to approve it; none in records older than that.
    """

    payout_batch_id: Identifier
    account: Name
    recipient_type: Literal["tenant", "partner"]
    recipient_id: Name
    currency: Currency
    gross_minor: AmountMinor
    fee_minor: AmountMinor
    net_minor: AmountMinor
    period_start: Timestamp
    period_end: Timestamp
    status: BatchStatus
    entry_count: int
    payment_count: int
    payment_ids: tuple[Identifier, ...]
    bank_reference: str | None = None
    paid_at: Timestamp | None = None
    created_at: Timestamp
    payment_ids_complete: bool = True
    reserve_held_minor: AmountMinor = 0
    reserve_released_minor: AmountMinor = 0
    required_approvals: int | None = None
