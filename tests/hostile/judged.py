"""What the verifying agent makes of a delivery, with a broker in memory."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

from aiokafka import AIOKafkaProducer

from agents.records import Record
from agents.verify import VerifyAgent
from bootstrap.settings import KafkaSettings
from connectors.base import VerifiesWebhooks
from domain.facts import Fact, FactKind, Trust
from services.gateways import ConnectorSource
from services.verify_webhooks import UNREADABLE
from tests.connectors.case import ACCOUNT, SIGNED_AT, Delivery, GatewayCases
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS
from topics.gateway_events import GatewayEvent
from topics.message import RecordHeaders, header
from topics.webhooks import RawWebhook


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the agent gave to its producer."""

    topic: str
    value: bytes
    headers: RecordHeaders


@dataclass
class Broker:
    """Keeps what it is given, and insists on the types that a real producer insists on."""

    sent: list[Sent] = field(default_factory=list)

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1}

    def create_batch(self) -> "Batch":
        return Batch()

    async def send_batch(self, batch: "Batch", topic: str, *, partition: int) -> asyncio.Future[object]:
        self.sent += [Sent(topic, value, headers) for value, headers in batch.records]
        stored: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        stored.set_result(None)
        return stored


@dataclass(slots=True)
class Batch:
    """The records of one batch; there is room for all."""

    records: list[tuple[bytes, RecordHeaders]] = field(default_factory=list)

    def append(self, *, timestamp: int | None, key: bytes, value: bytes, headers: RecordHeaders) -> "Written":
        assert isinstance(key, bytes)
        assert isinstance(value, bytes)
        assert {type(text) for _, text in headers} == {bytes}
        self.records.append((value, headers))
        return Written(len(value))

    def close(self) -> None:
        """Nothing is added any more."""


class Written(NamedTuple):
    """What became of a record."""

    size: int


class OneConnector(ConnectorSource):
    """Has one connector for whoever asks."""

    def __init__(self, connector: VerifiesWebhooks) -> None:
        self._connector = connector

    async def connector(self, account: str, gateway: str) -> object:
        return self._connector


@dataclass(frozen=True, slots=True)
class Judgement:
    """Either facts or the code and text of a refusal."""

    facts: Sequence[Fact]
    refusal: str | None
    message: str | None

    @property
    def money(self) -> set[tuple[object, ...]]:
        """What was said about money with the gateway's word for it: neither hints nor ignored facts move any."""
        return {
            (fact.kind, fact.amount_minor, fact.currency, fact.provider_reference, fact.movement_reference)
            for fact in self.facts
            if fact.trust is Trust.SIGNED and fact.kind is not FactKind.IGNORED
        }


class Judge:
    """A verifying agent at work for one gateway's account."""

    def __init__(self, cases: GatewayCases, connector: VerifiesWebhooks | None = None) -> None:
        self._cases = cases
        self._broker = Broker()
        self._kafka = KafkaSettings()
        self._agent = VerifyAgent(
            OneConnector(connector or cases.connector()), cast("AIOKafkaProducer", self._broker), self._kafka
        )

    async def judge(self, delivery: Delivery, received_at: datetime = SIGNED_AT) -> Judgement:
        """Have a delivery judged. Whatever the agent raises would have stopped or buried an honest batch: it raises."""
        self._broker.sent.clear()
        await self._agent.process([_record(self._cases.gateway, delivery, received_at)])
        facts, rejected = [], []
        for sent in self._broker.sent:
            if sent.topic == self._kafka.topic(GATEWAY_EVENTS):
                facts.append(GatewayEvent.model_validate_json(sent.value).to_fact())
            else:
                assert sent.topic == self._kafka.topic(REJECTED_WEBHOOKS)
                assert sent.value == delivery.body
                rejected.append(sent)
        assert bool(facts) != bool(rejected)
        assert len(rejected) <= 1
        told = rejected[0].headers if rejected else None
        # The log has the trace of what the connector stumbled over.
        assert header(told, "ps_reason") != UNREADABLE
        return Judgement(facts, header(told, "ps_reason"), header(told, "ps_message"))


def _record(gateway: str, delivery: Delivery, received_at: datetime) -> Record:
    webhook = RawWebhook(
        id="1",
        gateway=gateway,
        account=ACCOUNT,
        path=delivery.target,
        remote_address="203.0.113.9",
        received_at=received_at,
        http_headers=tuple(delivery.headers),
        body=delivery.body,
    )
    return Record(
        topic=RAW_WEBHOOKS.name,
        partition=0,
        offset=7,
        key=b"key",
        value=webhook.body,
        headers=tuple(webhook.record_headers()),
    )


def parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON has any shape
    """A sample as a JSON value; None when it is a form."""
    try:
        return json.loads(body)
    except ValueError:
        return None
