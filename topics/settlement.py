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
    """Running totals of one recipient, currency and window. `sequence` is the highest entry sequence counted."""

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


class PayoutBatch(Message):
    """A payout to one recipient in one currency, as it stands after each change."""

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
