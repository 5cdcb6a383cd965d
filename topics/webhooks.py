"""Raw callbacks and the ones that were refused. The value is the body, byte for byte; all else is in headers.

HTTP headers travel as one JSON list of pairs, so that order, repetition and case-insensitivity survive.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.errors import MalformedPayload
from topics.message import CloudEvent, RecordHeaders, header

RAW_TYPE = "paystream.webhook.received"
REJECTED_TYPE = "paystream.webhook.rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawWebhook:
    """A callback as the ingress took it. `id` is new for every delivery, also for repeated ones."""

    id: str
    gateway: str
    account: str
    path: str
    remote_address: str
    received_at: datetime
    http_headers: tuple[tuple[str, str], ...]
    body: bytes

    def record_headers(self) -> RecordHeaders:
        """Everything but the body, as Kafka headers."""
        event = CloudEvent(
            id=self.id,
            type=RAW_TYPE,
            source=f"/webhooks/{self.gateway}/{self.account}",
            time=self.received_at,
            content_type="application/octet-stream",
        )
        return event.headers(
            (
                ("ps_gateway", self.gateway),
                ("ps_account", self.account),
                ("ps_path", self.path),
                ("ps_remote_address", self.remote_address),
                ("ps_http_headers", json.dumps(self.http_headers)),
            )
        )

    @classmethod
    def from_record(cls, value: bytes, headers: Iterable[tuple[str, bytes]]) -> "RawWebhook":
        """Read a record of the raw topic back. Raises MalformedPayload when it was not written by the ingress."""
        try:
            found = {name: value.decode() for name, value in headers}
            return cls(
                id=found["ce_id"],
                gateway=found["ps_gateway"],
                account=found["ps_account"],
                path=found["ps_path"],
                remote_address=found["ps_remote_address"],
                received_at=datetime.fromisoformat(found["ce_time"]),
                http_headers=_pairs(json.loads(found["ps_http_headers"])),
                body=value,
            )
        except (AttributeError, KeyError, ValueError, TypeError) as error:
            raise MalformedPayload(f"not a raw callback record: {error!r}") from error


def _pairs(value: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(content)) for name, content in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPosition:
    """Where a raw callback lies, carried by everything that came of it."""

    partition: int
    offset: int

    def headers(self) -> list[tuple[str, str]]:
        """The position as header pairs."""
        return [("ps_raw_partition", str(self.partition)), ("ps_raw_offset", str(self.offset))]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]] | None) -> "RawPosition | None":
        """Read a position; None on records that did not come of a callback."""
        pairs = list(headers or ())
        partition, offset = header(pairs, "ps_raw_partition"), header(pairs, "ps_raw_offset")
        return None if partition is None or offset is None else cls(partition=int(partition), offset=int(offset))
