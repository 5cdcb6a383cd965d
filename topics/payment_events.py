"""Domain events, for fulfilment and everyone else who reacts to payments."""

import uuid

from domain.events import Milestone
from domain.payment import Status
from topics.message import AmountMinor, Currency, Identifier, Message, Name, Timestamp

EVENT_NAMESPACE = uuid.UUID("6f1d9f60-8c39-5d0c-9a6e-1c9d0f6c2b11")
EVENT_TYPE_PREFIX = "paystream."


def event_id(payment_id: str, milestone: Milestone) -> str:
    """The same step of the same payment always has the same event id, also after a replay."""
    said = f"{payment_id}|{milestone.type}|{milestone.reference}|{milestone.amount_minor}"
    return str(uuid.uuid5(EVENT_NAMESPACE, said))


class PaymentEvent(Message):
    """One step of a payment's life.

    - `sequence` grows by one per payment; `id` never changes for the same step.
    - `reference` and `amount_minor` name the movement the event is about (a capture, refund or dispute).
    - `status` and the totals are the payment as it stood when the event was written: act on these.
    - `superseded` is true when the payment had already moved past the step.
    """

    id: Identifier
    type: str
    sequence: int
    payment_id: Identifier
    account: Name
    gateway: Name
    provider_reference: Identifier | None
    resource_type: Name
    resource_id: Identifier
    status: Status
    superseded: bool
    reference: str | None
    amount_minor: AmountMinor
    currency: Currency
    payment_amount_minor: AmountMinor
    authorized_minor: AmountMinor
    captured_minor: AmountMinor
    refunded_minor: AmountMinor
    disputed_minor: AmountMinor
    occurred_at: Timestamp
    metadata: dict[str, str]
