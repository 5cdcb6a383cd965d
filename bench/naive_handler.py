"""What a team writes first: an ASGI handler that verifies a callback and does everything in one ORM transaction.

It uses the same connectors and the same rules of money, and leaves the same rows. It publishes nothing.
"""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import foreign, registry, relationship
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bootstrap.clock import system_clock
from bootstrap.settings import Settings
from bootstrap.wiring import build_database, build_gateways
from domain.errors import PaystreamError
from domain.events import new_milestones
from domain.facts import Fact
from domain.ledger import Movement, movements
from domain.payment import fold, status_of
from domain.settlement import Recipient
from services.gateways import Gateways
from services.messages import entry_id, payment_event, settlement_entry
from services.verify_webhooks import verify_webhook
from storage.outbox import OutboxMessage, shard_of
from storage.payments import PaymentRecord, record_of
from storage.settlement import EntryRow
from storage.tables import (
    INBOX,
    LEDGER_POSTINGS,
    LEDGER_TRANSACTIONS,
    OUTBOX,
    PAYMENT_EVENTS,
    PAYMENT_REFERENCES,
    PAYMENTS,
    SETTLEMENT_ENTRIES,
    TRANSITIONS,
)
from topics.webhooks import RawWebhook

POOL_SIZE = 16
_MAPPED = registry()


class _Entity:
    """A row whose columns are given by name."""

    def __init__(self, **columns: object) -> None:
        for name, value in columns.items():
            setattr(self, name, value)


def _entity(table: Table, *left_to_the_database: str, **relations: Any) -> type[Any]:  # noqa: ANN401 - ORM's own
    kind = type(table.name, (_Entity,), {})
    _MAPPED.map_imperatively(kind, table, exclude_properties=left_to_the_database, properties=relations)
    return kind


_Inbox = _entity(INBOX)
_Reference = _entity(PAYMENT_REFERENCES)
_Payment = _entity(PAYMENTS)
_Transition = _entity(TRANSITIONS)
_Posting = _entity(LEDGER_POSTINGS)
_Ledger = _entity(
    LEDGER_TRANSACTIONS,
    postings=relationship(
        _Posting, primaryjoin=foreign(LEDGER_POSTINGS.c.transaction_id) == LEDGER_TRANSACTIONS.c.id, lazy="noload"
    ),
)
_Entry = _entity(SETTLEMENT_ENTRIES, "counted", "window_start", "payout_batch_id")
_Event = _entity(PAYMENT_EVENTS)
_Outbox = _entity(OUTBOX, "transaction_id", "created_at")


def build() -> Starlette:
    """Build the application; settings come from the environment."""
    settings = Settings()
    engine = create_async_engine(settings.database_url, pool_size=POOL_SIZE, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    database = build_database(settings, "naive")
    gateways = build_gateways(settings, database)

    async def take(request: Request) -> Response:
        facts = await _facts_of(gateways, request)
        if isinstance(facts, PaystreamError):
            return Response(facts.code, status_code=400)
        async with sessions.begin() as session:
            for fact in facts:
                await _apply(session, fact, system_clock())
        return Response()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await engine.dispose()
        await database.close()

    return Starlette(routes=[Route("/webhooks/{gateway}/{account}", take, methods=["POST"])], lifespan=lifespan)


async def _facts_of(gateways: Gateways, request: Request) -> list[Fact] | PaystreamError:
    webhook = RawWebhook(
        id=str(uuid.uuid4()),
        gateway=request.path_params["gateway"],
        account=request.path_params["account"],
        path=request.url.path,
        remote_address="",
        received_at=system_clock(),
        http_headers=tuple(request.headers.items()),
        body=await request.body(),
    )
    verdict = await verify_webhook(gateways, webhook)
    return verdict if isinstance(verdict, PaystreamError) else [event.to_fact() for event in verdict]


async def _apply(session: AsyncSession, fact: Fact, now: datetime) -> None:
    if await session.get(_Inbox, (fact.gateway, fact.account, fact.gateway_event_id)) is not None:
        return
    reference = await session.get(_Reference, (fact.gateway, fact.account, fact.provider_reference))
    if reference is None:
        return
    row = await session.get(_Payment, reference.payment_id, with_for_update=True)
    if row is None:
        return
    session.add(_inbox_row(fact, reference.payment_id, now))
    before = record_of(row)
    state = fold(before.state, before.terms, fact)
    milestones = new_milestones(before.state, state, before.terms)
    after = replace(
        before, state=state, status=status_of(state), event_sequence=before.event_sequence + len(milestones)
    )
    _update(row, after, fact, now)
    if after.status != before.status:
        session.add(_transition(before, after, fact, now))
    for movement in movements(before.state, state, before.terms):
        session.add(_ledger(movement, after, fact, now))
        for entry in _entries(movement, after, fact):
            session.add(_settlement_row(entry, now))
            session.add(_outbox_row(settlement_entry(entry)))
    for sequence, milestone in enumerate(milestones, start=before.event_sequence + 1):
        message, event = payment_event(after, milestone, sequence, fact.occurred_at)
        session.add(_Event(**asdict(event) | {"payload": json.loads(event.payload), "recorded_at": now}))
        session.add(_outbox_row(message))


def _inbox_row(fact: Fact, payment_id: str, now: datetime) -> object:
    return _Inbox(
        gateway=fact.gateway,
        account=fact.account,
        gateway_event_id=fact.gateway_event_id,
        digest=fact.content_digest(),
        kind=fact.kind,
        provider_reference=fact.provider_reference,
        related_references=list(fact.related_references),
        movement_reference=fact.movement_reference,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        claimed_payment_id=fact.payment_id,
        payment_id=payment_id,
        disposition="applied",
        occurred_at=fact.occurred_at,
        recorded_at=now,
    )


def _update(row: Any, payment: PaymentRecord, fact: Fact, now: datetime) -> None:  # noqa: ANN401 - mapped at run time
    sums = payment.state.totals
    row.status = payment.status
    row.steps = sorted(([*step] for step in payment.state.steps), key=str)
    row.authorized_minor, row.captured_minor, row.refunded_minor = sums.authorized, sums.captured, sums.refunded
    row.paid_at = payment.state.paid_at
    row.event_sequence = payment.event_sequence
    row.changed_by, row.request_id, row.updated_at = f"gateway:{fact.gateway}", fact.gateway_event_id, now


def _transition(before: PaymentRecord, after: PaymentRecord, fact: Fact, now: datetime) -> object:
    return _Transition(
        payment_id=after.id,
        from_status=before.status,
        to_status=after.status,
        gateway_event_id=fact.gateway_event_id,
        occurred_at=fact.occurred_at,
        recorded_at=now,
    )


def _ledger(movement: Movement, payment: PaymentRecord, fact: Fact, now: datetime) -> object:
    postings = [
        _Posting(line=line, ledger_account=account, currency=payment.terms.currency, amount_minor=amount)
        for line, (account, amount) in enumerate(movement.postings, start=1)
    ]
    return _Ledger(
        id=uuid.uuid4(),
        account=payment.terms.account,
        payment_id=payment.id,
        cause=movement.cause,
        reference=fact.movement_reference,
        currency=payment.terms.currency,
        occurred_at=fact.occurred_at,
        recorded_at=now,
        postings=postings,
    )


def _entries(movement: Movement, payment: PaymentRecord, fact: Fact) -> list[EntryRow]:
    terms, entries = payment.terms, []
    for share in movement.shares:
        recipient = Recipient(terms.account, share.split.recipient_type, share.split.recipient_id, terms.currency)
        entries.append(
            EntryRow(
                id=entry_id(payment.id, movement.cause, recipient, fact.gateway_event_id, fact.occurred_at),
                recipient=recipient,
                payment_id=payment.id,
                gateway=terms.gateway,
                cause=movement.cause,
                gross_minor=share.gross_minor,
                fee_minor=share.fee_minor,
                net_minor=share.net_minor,
                occurred_at=fact.occurred_at,
            )
        )
    return entries


def _settlement_row(entry: EntryRow, now: datetime) -> object:
    columns = asdict(entry)
    recipient = columns.pop("recipient")
    return _Entry(**recipient, **columns, recorded_at=now)


def _outbox_row(message: OutboxMessage) -> object:
    return _Outbox(
        shard=shard_of(message.key),
        aggregatetype=message.topic,
        aggregateid=message.key,
        type=message.type,
        payload=message.payload,
        headers=[[*pair] for pair in message.headers],
    )
