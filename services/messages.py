"""Build outbox messages from the models of `topics`: one place for keys, headers and ids."""

import uuid
from datetime import datetime

from domain.events import Milestone, is_superseded
from domain.identifiers import time_ordered_id
from domain.settlement import LISTED_PAYMENTS, Recipient
from storage.movements import EventRow
from storage.outbox import OutboxMessage
from storage.payments import PaymentRecord
from storage.settlement import BatchRow, EntryRow
from topics.catalog import COMMAND_RESULTS, PAYMENT_EVENTS, PAYOUT_BATCHES, SETTLEMENT_ENTRIES
from topics.commands import CommandResult
from topics.message import CloudEvent, Message
from topics.payment_events import EVENT_TYPE_PREFIX, PaymentEvent, event_id
from topics.settlement import PayoutBatch, SettlementEntry
from topics.spec import TopicSpec


def payment_event(
    payment: PaymentRecord, milestone: Milestone, sequence: int, occurred_at: datetime
) -> tuple[OutboxMessage, EventRow]:
    """A step of a payment's life, with the payment as it now stands: to publish, and to keep."""
    sums = payment.state.totals
    terms = payment.terms
    event = PaymentEvent(
        id=event_id(payment.id, milestone),
        type=milestone.type,
        sequence=sequence,
        payment_id=payment.id,
        account=terms.account,
        gateway=terms.gateway,
        provider_reference=payment.provider_reference,
        resource_type=payment.resource_type,
        resource_id=payment.resource_id,
        status=payment.status,
        superseded=is_superseded(milestone, payment.status),
        reference=milestone.reference or None,
        amount_minor=milestone.amount_minor,
        currency=terms.currency,
        payment_amount_minor=terms.amount_minor,
        authorized_minor=sums.authorized,
        captured_minor=sums.captured,
        refunded_minor=sums.refunded,
        disputed_minor=sums.dispute_open + sums.dispute_lost,
        occurred_at=occurred_at,
        metadata=payment.metadata,
    )
    message = _message(
        PAYMENT_EVENTS, payment.id, event, event.id, EVENT_TYPE_PREFIX + event.type, terms.account, occurred_at
    )
    row = EventRow(
        payment_id=payment.id,
        sequence=sequence,
        event_id=event.id,
        type=event.type,
        payload=message.payload,
        occurred_at=occurred_at,
    )
    return message, row


def settlement_entry(entry: EntryRow) -> OutboxMessage:
    """A movement of a recipient's money."""
    value = SettlementEntry(
        entry_id=str(entry.id),
        **_recipient(entry.recipient),
        payment_id=entry.payment_id,
        gateway=entry.gateway,
        cause=entry.cause,
        gross_minor=entry.gross_minor,
        fee_minor=entry.fee_minor,
        net_minor=entry.net_minor,
        occurred_at=entry.occurred_at,
    )
    kind = "paystream.settlement.entry"
    account = entry.recipient.account
    return _message(SETTLEMENT_ENTRIES, entry.recipient.key, value, value.entry_id, kind, account, entry.occurred_at)


def command_result(result: CommandResult) -> OutboxMessage:
    """The answer to a command."""
    kind = f"paystream.command.{result.outcome}"
    identity = f"{result.command_id}:{result.outcome}"
    return _message(COMMAND_RESULTS, result.command_id, result, identity, kind, result.account, result.completed_at)


def payout_batch(batch: BatchRow, changed_at: datetime) -> OutboxMessage:
    """A payout batch as it stands now. A large one names its first payments only: a message has to stay small."""
    listed = batch.totals.payment_ids[:LISTED_PAYMENTS]
    payment_count = len(batch.totals.payment_ids) if batch.payment_count is None else batch.payment_count
    value = PayoutBatch(
        payout_batch_id=str(batch.id),
        **_recipient(batch.recipient),
        gross_minor=batch.totals.gross_minor,
        fee_minor=batch.totals.fee_minor,
        net_minor=batch.totals.net_minor,
        period_start=batch.period.start,
        period_end=batch.period.end,
        status=batch.status,
        entry_count=batch.totals.entry_count,
        payment_count=payment_count,
        payment_ids=listed,
        payment_ids_complete=len(listed) == payment_count,
        reserve_held_minor=batch.totals.reserve_held_minor,
        reserve_released_minor=batch.totals.reserve_released_minor,
        required_approvals=batch.required_approvals,
        bank_reference=batch.bank_reference,
        paid_at=batch.paid_at,
        created_at=batch.created_at,
    )
    kind = f"paystream.payout_batch.{batch.status}"
    identity = f"{batch.id}:{batch.status}"
    return _message(PAYOUT_BATCHES, value.payout_batch_id, value, identity, kind, batch.recipient.account, changed_at)


def entry_id(
    payment_id: str, cause: str, recipient: Recipient, gateway_event_id: str, occurred_at: datetime
) -> uuid.UUID:
    """The id of what one fact moved for one recipient; the same again after a replay."""
    return time_ordered_id(occurred_at, f"{payment_id}|{cause}|{recipient.key}|{gateway_event_id}")


def _recipient(recipient: Recipient) -> dict[str, str]:
    return {
        "account": recipient.account,
        "recipient_type": recipient.recipient_type,
        "recipient_id": recipient.recipient_id,
        "currency": recipient.currency,
    }


def _message(
    spec: TopicSpec, key: str, value: Message, identity: str, kind: str, account: str, time: datetime
) -> OutboxMessage:
    event = CloudEvent(
        id=identity,
        type=kind,
        source=f"/accounts/{account}",
        subject=key,
        time=time,
        data_schema=spec.data_schema,
    )
    return OutboxMessage(
        topic=spec.name, key=key, type=kind, payload=value.model_dump_json(), headers=tuple(event.attributes())
    )
