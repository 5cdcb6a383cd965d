"""Raw callbacks and the ones that were refused. The value is the body, byte for byte; all else is in headers.

HTTP headers travel as one JSON list of pairs, so that order, repetition and case-insensitivity survive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pydantic_core import from_json, to_json

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
        return raw_record_headers(
            self.id,
            self.gateway,
            self.account,
            self.path,
            self.remote_address,
            self.received_at,
            self.http_headers,
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
                http_headers=_pairs(from_json(found["ps_http_headers"])),
                body=value,
            )
        except (AttributeError, KeyError, ValueError, TypeError) as error:
            raise MalformedPayload(f"not a raw callback record: {error!r}") from error


def raw_record_headers(
    delivery_id: str,
    gateway: str,
    account: str,
    path: str,
    remote_address: str,
    received_at: datetime,
    http_headers: Sequence[tuple[str, str]],
) -> RecordHeaders:
    """Write a callback's Kafka headers. The ingress does so for every request, so it is written for speed."""
    return [
        ("ce_id", delivery_id.encode()),
        ("ce_time", received_at.isoformat().encode()),
        *_headers_of_account(gateway, account),
        ("ps_path", path.encode()),
        ("ps_remote_address", remote_address.encode()),
        ("ps_http_headers", to_json(http_headers)),
    ]


@lru_cache(maxsize=4_096)
def _headers_of_account(gateway: str, account: str) -> tuple[tuple[str, bytes], ...]:
    """What all callbacks of an account have in common."""
    event = CloudEvent(
        id="",
        type=RAW_TYPE,
        source=f"/webhooks/{gateway}/{account}",
        time=datetime.fromtimestamp(0, UTC),
        content_type="application/octet-stream",
    )
    common = [(name, value) for name, value in event.headers() if name not in {"ce_id", "ce_time"}]
    return (*common, ("ps_gateway", gateway.encode()), ("ps_account", account.encode()))


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
