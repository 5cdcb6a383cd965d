"""Raw callbacks in; proven facts out, or the callback with the reason why not."""

from collections import Counter
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from agents.metrics import WEBHOOKS_VERIFIED
from agents.records import Record
from bootstrap.sending import OutgoingRecord, send_records
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
        outgoing: list[OutgoingRecord] = []
        outcomes: Counter[tuple[str, str]] = Counter()
        for record in records:
            webhook = RawWebhook.from_record(record.value, record.headers)
            verdict = await verify_webhook(self._gateways, webhook)
            if isinstance(verdict, PaystreamError):
                outgoing.append(self._rejected(record, verdict))
                outcomes[webhook.gateway, verdict.code] += 1
            else:
                outgoing += [self._proven(record, event) for event in verdict]
                outcomes[webhook.gateway, "verified"] += 1
        await send_records(self._producer, outgoing)
        for (gateway, outcome), count in outcomes.items():
            WEBHOOKS_VERIFIED.labels(gateway=gateway, outcome=outcome).inc(count)

    def _proven(self, record: Record, event: GatewayEvent) -> OutgoingRecord:
        position = RawPosition(partition=record.partition, offset=record.offset)
        return OutgoingRecord(
            self._facts_topic,
            key=event.key,
            value=event.model_dump_json().encode(),
            headers=event.cloud_event().headers(position.headers()),
        )

    def _rejected(self, record: Record, error: PaystreamError) -> OutgoingRecord:
        position = RawPosition(partition=record.partition, offset=record.offset)
        reason = [("ps_reason", error.code), ("ps_message", error.message), *position.headers()]
        return OutgoingRecord(
            self._rejected_topic,
            key=record.key,
            value=record.value,
            headers=[*record.headers, *((name, value.encode()) for name, value in reason)],
        )
