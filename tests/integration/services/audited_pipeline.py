"""The whole way of the data without Faust: the real agents, run by hand, and a gateway that says what it is told."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer

from agents.apply import ApplyAgent
from agents.commands import CommandsAgent
from agents.dead_letters import DeadLetters
from agents.guard import Guard
from agents.records import Record
from agents.relay import Relay
from agents.settle import SettleAgent, TotalsView
from agents.verify import VerifyAgent
from agents.window_comparison import WindowComparison
from bootstrap.clock import system_clock
from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from connectors.base import Callback, GatewayAnswer, MovementRequest, OrderRequest
from domain.errors import VerificationFailed
from domain.facts import Fact, FactKind
from domain.schedule import fixed_schedule, window_of
from services.audit.topic_reader import Position, TopicRecord, open_topics
from services.circuit_breaker import Circuit
from services.commands.runner import CommandRunner
from services.gateways import Gateways
from services.settle import SettlementRules, close_windows, load_windows
from storage.accounts import Account
from storage.outbox import SHARDS, PlannedMessage
from storage.unit_of_work import Database
from topics.catalog import (
    COMMANDS,
    GATEWAY_EVENTS,
    RAW_WEBHOOKS,
    SETTLEMENT_ENTRIES,
    dead_letter,
)
from topics.commands import CreatePayment, PaymentCommand, RefundPayment, SplitPart
from topics.gateway_events import GatewayEvent
from topics.spec import TopicSpec
from topics.webhooks import RawPosition, RawWebhook

ACCOUNT, GATEWAY = "demo", "stripe"
WINDOW_SECONDS = 60
RULES = SettlementRules(window_seconds=WINDOW_SECONDS, grace_seconds=0, auto_approve_threshold_minor=100_000)
EVENING = window_of(datetime.now(UTC) - timedelta(minutes=20), fixed_schedule(WINDOW_SECONDS)).start
"""When the payments of these tests were paid: the start of a window that is long over."""


class TalkativeGateway(Gateways):
    """Connectors of a gateway whose callbacks are lists of facts in JSON, or the code of a refusal."""

    def __init__(self) -> None:
        """Need nothing: there are no credentials."""

    async def connector(self, account: str, gateway: str) -> object:
        """Be the connector of every account."""
        return self

    def circuit(self, account: str, gateway: str) -> Circuit:
        """Call whatever is asked for."""
        return Circuit(gateway)

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        """Believe every callback that does not say otherwise."""
        said = json.loads(callback.body)
        if "refused" in said:
            raise VerificationFailed("not believed", code=said["refused"])
        return [GatewayEvent.model_validate(fact).to_fact() for fact in said["facts"]]

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Name the payment."""
        return GatewayAnswer(provider_reference=f"pi_{request.payment_id}")

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund at once."""
        refunded = fact(request.payment_id, "refunded", request.amount_minor, request.currency, request.idempotency_key)
        return GatewayAnswer(provider_reference=request.provider_reference, facts=(refunded,))


class Pipeline:
    """Sends callbacks and commands, and carries everything to rest when told to."""

    def __init__(self, settings: Settings, database: Database, producer: AIOKafkaProducer) -> None:
        self.settings = settings
        self.database = database
        self.producer = producer
        self._gateway = TalkativeGateway()
        self._taken: dict[str, set[Position]] = {}
        self.live_rows: dict[str, object] = {}
        """What stands in for the table of the live view."""

    async def send(
        self, spec: TopicSpec, key: str, value: bytes, headers: Mapping[str, object], partition: int | None = None
    ) -> Position:
        """Write one record as it is given; returns where it lies."""
        pairs = [(name, str(content).encode()) for name, content in headers.items()]
        kafka = self.settings.kafka
        sent = await self.producer.send_and_wait(
            kafka.topic(spec), key=key.encode(), value=value, headers=pairs, partition=partition
        )
        return (sent.partition, sent.offset)

    async def command(self, command: CreatePayment | RefundPayment) -> None:
        """Put a command on its topic."""
        value = PaymentCommand(command=command).model_dump_json().encode()
        await self.send(COMMANDS, command.payment_id, value, {})

    async def callback(self, *facts: Fact, refused: str | None = None) -> Position:
        """Put a callback on the raw topic."""
        said = {"facts": [json.loads(GatewayEvent.from_fact(one).model_dump_json()) for one in facts]}
        body = json.dumps(said if refused is None else {"refused": refused}).encode()
        webhook = RawWebhook(
            id=str(uuid.uuid4()),
            gateway=GATEWAY,
            account=ACCOUNT,
            path=f"/webhooks/{GATEWAY}/{ACCOUNT}",
            remote_address="127.0.0.1",
            received_at=datetime.now(UTC),
            http_headers=(),
            body=body,
        )
        headers = {name: content.decode() for name, content in webhook.record_headers()}
        # One key for all, so that callbacks are taken in the order in which they were sent.
        return await self.send(RAW_WEBHOOKS, "evening", body, headers)

    async def records(self, spec: TopicSpec) -> list[TopicRecord]:
        """Everything that lies on a topic now."""
        kafka = self.settings.kafka
        async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [spec]) as topics:
            return [record async for chunk in topics.chunks(spec) for record in chunk]

    async def settle_down(self) -> None:
        """Run every agent once over what is new, close every window that is over, and publish all of it."""
        kafka, clock = self.settings.kafka, system_clock
        verify = VerifyAgent(self._gateway, self.producer, kafka)
        await self._guard(RAW_WEBHOOKS).run(await self._new(RAW_WEBHOOKS), verify.process)
        runner = CommandRunner(self.database, self._gateway, clock)
        commands = CommandsAgent(runner, self._guard(COMMANDS), per_gateway=4)
        await commands.run(await self._new(COMMANDS))
        apply = ApplyAgent(self.database, clock)
        await self._guard(GATEWAY_EVENTS).run(await self._new(GATEWAY_EVENTS), apply.process)
        await self._relay()
        await self._settle()
        await self._relay()
        await self.producer.flush()

    async def _relay(self) -> None:
        relay = Relay(self.database, self.producer, self.settings.kafka)
        published: Sequence[PlannedMessage] = ()
        while published := await relay.publish_next(range(SHARDS), published):
            pass

    async def _settle(self) -> None:
        kafka, clock = self.settings.kafka, system_clock
        entries = await self._new(SETTLEMENT_ENTRIES)
        await SettleAgent(self.database, RULES, clock).process(entries)
        windows = await load_windows(self.database, RULES)
        view = TotalsView(self.live_rows, self.producer, kafka, windows, clock)
        await view.process(entries)
        await close_windows(self.database, RULES, clock())
        everything = frozenset(range(SHARDS))
        await WindowComparison(self.database, view, kafka, RULES, clock, lambda: everything).run()

    async def _new(self, spec: TopicSpec) -> list[Record]:
        """The records of a topic that no agent was given yet."""
        taken = self._taken.setdefault(spec.name, set())
        fresh = [record for record in await self.records(spec) if record.position not in taken]
        taken.update(record.position for record in fresh)
        return [
            Record(
                topic=self.settings.kafka.topic(spec),
                partition=record.partition,
                offset=record.offset,
                key=record.key,
                value=record.value or b"",
                headers=record.headers,
            )
            for record in fresh
        ]

    def _guard(self, source: TopicSpec) -> Guard:
        letters = DeadLetters(self.producer, self.settings.kafka, dead_letter(source), system_clock)
        return Guard(source.name, letters)


def fact(
    payment_id: str,
    kind: str,
    amount_minor: int | None = None,
    currency: str = "USD",
    movement: str | None = None,
    *,
    after_seconds: int = 1,
    event_id: str | None = None,
) -> Fact:
    """A fact about a payment, so many seconds into the evening."""
    return Fact(
        gateway=GATEWAY,
        account=ACCOUNT,
        gateway_event_id=event_id or f"evt_{payment_id}_{kind}_{movement}",
        kind=FactKind(kind),
        provider_reference=f"pi_{payment_id}",
        occurred_at=EVENING + timedelta(seconds=after_seconds),
        amount_minor=amount_minor,
        currency=None if amount_minor is None else currency,
        movement_reference=movement,
    )


def create(
    payment_id: str, amount_minor: int = 1_000, currency: str = "USD", partner_minor: int = 100
) -> CreatePayment:
    """A command that creates a payment, part of which is for a partner."""
    partner = {"recipient_type": "partner", "recipient_id": "atelier", "amount_minor": partner_minor}
    return CreatePayment(
        command_id=f"create_{payment_id}",
        payment_id=payment_id,
        account=ACCOUNT,
        requested_at=datetime.now(UTC),
        gateway=GATEWAY,
        amount_minor=amount_minor,
        currency=currency,
        resource_type="order",
        resource_id=f"order_{payment_id}",
        splits=(SplitPart.model_validate(partner),) if partner_minor else (),
    )


def refund(payment_id: str, amount_minor: int) -> RefundPayment:
    """A command that refunds a payment in part."""
    return RefundPayment(
        command_id=f"refund_{payment_id}",
        payment_id=payment_id,
        account=ACCOUNT,
        requested_at=datetime.now(UTC),
        amount_minor=amount_minor,
    )


@asynccontextmanager
async def busy_evening(settings: Settings, database: Database) -> AsyncIterator[Pipeline]:
    """A pipeline in which everything has happened and nothing is under way."""
    producer = build_producer(settings.kafka, client_id="audited-pipeline")
    await producer.start()
    try:
        pipeline = Pipeline(settings, database, producer)
        await run_an_evening(pipeline)
        yield pipeline
    finally:
        await producer.stop()


async def run_an_evening(pipeline: Pipeline) -> None:
    """Let everything happen that can happen to callbacks and commands, and bring it to rest.

    p1 is refunded in part, p2 has a conflicting callback, p3 (in yen) is refunded in full in a later window, p4 has a
    conflicting callback and is refunded by command, p5 only ever gets a callback that means nothing.
    """
    async with pipeline.database.transaction() as transaction:
        await transaction.accounts.create(Account(ACCOUNT, "Demo", 290, 30))
    for command in (create("p1"), create("p2"), create("p3", 5_000, "JPY", 0), create("p4"), create("p5")):
        await pipeline.command(command)
    await pipeline.command(create("p5", 1_001))
    await pipeline.send(COMMANDS, "p6", b"no command", {})
    await pipeline.settle_down()
    paid = fact("p1", "captured", 1_000, movement="ch_1")
    await pipeline.callback(fact("p1", "processing"), paid)
    await pipeline.callback(paid)
    await pipeline.callback(fact("p2", "captured", 1_000, movement="ch_2"))
    await pipeline.callback(fact("p3", "captured", 5_000, "JPY", "ch_3"))
    await pipeline.callback(fact("p4", "captured", 1_000, movement="ch_4"))
    await pipeline.callback(fact("p4", "captured", 999, movement="ch_4"))
    await pipeline.callback(fact("p5", "ignored"))
    await pipeline.callback(fact("unheard_of", "captured", 1_000, movement="ch_9"))
    await asyncio.gather(*(pipeline.callback(refused=code) for code in ("signature_invalid", "signature_stale") * 2))
    await pipeline.send(RAW_WEBHOOKS, "forged", b"not written by the ingress", {})
    partition, offset = await pipeline.callback()
    position = dict(RawPosition(partition=partition, offset=offset).headers())
    await pipeline.send(GATEWAY_EVENTS, "unreadable", b"no fact", position)
    await pipeline.settle_down()
    await pipeline.callback(paid, fact("p1", "refunded", 300, movement="re_1", after_seconds=2))
    await pipeline.command(refund("p4", 200))
    conflict = fact("p2", "captured", 1, movement="ch_2")
    await pipeline.callback(conflict)
    await pipeline.callback(conflict)
    await pipeline.callback(fact("p3", "refunded", 5_000, "JPY", "re_3", after_seconds=WINDOW_SECONDS + 1))
    await pipeline.settle_down()
