"""Raw callbacks in; proven facts out, or the callback with the reason why not."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from agents.metrics import WEBHOOKS_VERIFIED
from agents.records import Record
from bootstrap.settings import KafkaSettings
from domain.errors import PaystreamError
from services.gateways import ConnectorSource
from services.verify_webhooks import verify_webhook
from topics.catalog import GATEWAY_EVENTS, REJECTED_WEBHOOKS
from topics.gateway_events import GatewayEvent
from topics.webhooks import RawPosition, RawWebhook


class VerifyAgent:
    """Forwards each callback of a batch to exactly one of two topics, and returns when the broker has them."""

    def __init__(self, gateways: ConnectorSource, producer: AIOKafkaProducer, kafka: KafkaSettings) -> None:
        self._gateways = gateways
        self._producer = producer
        self._facts_topic = kafka.topic(GATEWAY_EVENTS)
        self._rejected_topic = kafka.topic(REJECTED_WEBHOOKS)

    async def process(self, records: Sequence[Record]) -> None:
        """Verify a batch. Raises MalformedPayload for a record that the ingress did not write."""
        pending = []
        for record in records:
            webhook = RawWebhook.from_record(record.value, record.headers)
            verdict = await verify_webhook(self._gateways, webhook)
            if isinstance(verdict, PaystreamError):
                pending.append(await self._reject(record, verdict))
                WEBHOOKS_VERIFIED.labels(gateway=webhook.gateway, outcome=verdict.code).inc()
            else:
                pending.extend([await self._forward(record, event) for event in verdict])
                WEBHOOKS_VERIFIED.labels(gateway=webhook.gateway, outcome="verified").inc()
        await asyncio.gather(*pending)

    async def _forward(self, record: Record, event: GatewayEvent) -> asyncio.Future[object]:
        position = RawPosition(partition=record.partition, offset=record.offset)
        sent: asyncio.Future[object] = await self._producer.send(
            self._facts_topic,
            key=event.key,
            value=event.model_dump_json().encode(),
            headers=event.cloud_event().headers(position.headers()),
        )
        return sent

    async def _reject(self, record: Record, error: PaystreamError) -> asyncio.Future[object]:
        position = RawPosition(partition=record.partition, offset=record.offset)
        reason = [("ps_reason", error.code), ("ps_message", error.message), *position.headers()]
        sent: asyncio.Future[object] = await self._producer.send(
            self._rejected_topic,
            key=record.key,
            value=record.value,
            headers=[*record.headers, *((name, value.encode()) for name, value in reason)],
        )
        return sent
