"""Settlement topics with records as the relay and the settle app write them, for the tests of what analysts read."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from domain.payment import Status
from domain.settlement import BatchStatus, BatchTotals, Recipient, Window
from services.messages import payout_batch, settlement_entry
from storage.outbox import OutboxMessage
from storage.settlement import BatchRow, EntryRow
from tests.integration.services.books import NOW
from topics.catalog import PAYMENT_EVENTS, SETTLEMENT_WINDOWS
from topics.message import SEQUENCE_HEADER, CloudEvent, Message
from topics.payment_events import PaymentEvent
from topics.settlement import SettlementWindow
from topics.spec import TopicSpec

TENANT = Recipient("demo", "tenant", "demo", "EUR")
PARTNER = Recipient("demo", "partner", "atelier", "JPY")
DAY = Window(NOW - timedelta(hours=12), NOW + timedelta(hours=12))


def entry(
    number: int, *, recipient: Recipient = TENANT, gross_minor: int = 1_000, cause: str = "capture"
) -> OutboxMessage:
    """An entry of a payment of its own."""
    fee_minor = 59 if gross_minor > 0 else 0
    return settlement_entry(
        EntryRow(
            id=uuid.UUID(int=number),
            recipient=recipient,
            payment_id=f"p{number}",
            gateway="stripe",
            cause=cause,
            gross_minor=gross_minor,
            fee_minor=fee_minor,
            net_minor=gross_minor - fee_minor,
            occurred_at=NOW + timedelta(minutes=number),
        )
    )


def batch(number: int, status: BatchStatus, *, net_minor: int = 941, recipient: Recipient = TENANT) -> OutboxMessage:
    """A batch of one payment in a status."""
    row = BatchRow(
        id=uuid.UUID(int=0xB000 + number),
        recipient=recipient,
        totals=BatchTotals(net_minor + 59, 59, net_minor, 1, (f"p{number}",)),
        period=DAY,
        status=status,
        created_by="settlement-agent",
        created_at=NOW,
        paid_at=NOW + timedelta(hours=5) if status is BatchStatus.COMPLETED else None,
        bank_reference="bank-1" if status is BatchStatus.COMPLETED else None,
    )
    return payout_batch(row, NOW + timedelta(hours=list(BatchStatus).index(status)))


def event(number: int, kind: str) -> OutboxMessage:
    """A step of a payment."""
    value = PaymentEvent(
        id=f"{kind}-{number}",
        type=kind,
        sequence=1,
        payment_id=f"p{number}",
        account="demo",
        gateway="stripe",
        provider_reference=f"pi_{number}",
        resource_type="order",
        resource_id="o1",
        status=Status.COMPLETED,
        superseded=False,
        reference=None,
        amount_minor=0,
        currency="EUR",
        payment_amount_minor=1_000,
        authorized_minor=0,
        captured_minor=1_000,
        refunded_minor=0,
        disputed_minor=0,
        occurred_at=NOW,
        metadata={"shop": "née", "q": '"'},
    )
    return _message(PAYMENT_EVENTS, value.payment_id, value, value.id, f"paystream.{kind}", value.occurred_at)


def window(net_minor: int, entry_count: int, *, recipient: Recipient = TENANT) -> OutboxMessage:
    """The totals of a recipient's day."""
    value = SettlementWindow(
        account=recipient.account,
        recipient_type="tenant" if recipient.recipient_type == "tenant" else "partner",
        recipient_id=recipient.recipient_id,
        currency=recipient.currency,
        window_start=DAY.start,
        window_end=DAY.end,
        gross_minor=net_minor + 59 * entry_count,
        fee_minor=59 * entry_count,
        net_minor=net_minor,
        entry_count=entry_count,
        sequence=entry_count,
    )
    key = f"{recipient.key}:{DAY.start.isoformat()}"
    return _message(SETTLEMENT_WINDOWS, key, value, f"{key}:{entry_count}", "paystream.settlement.window", NOW)


async def publish(settings: Settings, messages: Sequence[OutboxMessage], *, first_sequence: int = 1) -> None:
    """Put messages on their topics, with the header that the relay adds."""
    producer = build_producer(settings.kafka, client_id="test")
    await producer.start()
    try:
        for sequence, message in enumerate(messages, start=first_sequence):
            headers = [(name, value.encode()) for name, value in message.headers]
            await producer.send_and_wait(
                settings.kafka.topic_prefix + message.topic,
                key=message.key.encode(),
                value=message.payload.encode(),
                headers=[*headers, (SEQUENCE_HEADER, str(sequence).encode())],
            )
    finally:
        await producer.stop()


async def delete_key(settings: Settings, spec: TopicSpec, key: str) -> None:
    """Put a deletion on a compacted topic."""
    producer = build_producer(settings.kafka, client_id="test")
    await producer.start()
    try:
        await producer.send_and_wait(settings.kafka.topic(spec), key=key.encode(), value=None)
    finally:
        await producer.stop()


def key_of(message: OutboxMessage) -> str:
    """A message's key."""
    assert json.loads(message.payload)
    return message.key


def _message(spec: TopicSpec, key: str, value: Message, identity: str, kind: str, time: datetime) -> OutboxMessage:
    attributes = CloudEvent(
        id=identity, type=kind, source="/accounts/demo", subject=key, time=time, data_schema=spec.data_schema
    ).attributes()
    return OutboxMessage(
        topic=spec.name, key=key, type=kind, payload=value.model_dump_json(), headers=tuple(attributes)
    )
