"""Parked records: what was taken out of the stream, as a dead letter or as a rejected callback, and why.

The record is its source's, byte for byte, with headers added that say why it is here. They are the last of their name:
whoever wrote the source may have put the same names before them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.errors import NotFound
from services.audit.topic_reader import UNDATED, TopicRecord
from services.redaction import REDACTED, shown_headers, shown_path, shown_text
from topics.catalog import (
    COMMANDS,
    DEAD_LETTERS,
    GATEWAY_EVENTS,
    RAW_WEBHOOKS,
    REJECTED_WEBHOOKS,
    SETTLEMENT_ENTRIES,
    dead_letter,
)
from topics.message import Name, RecordHeaders
from topics.spec import TopicSpec

PARKED_TOPICS = (*DEAD_LETTERS, REJECTED_WEBHOOKS)
SOURCES: Mapping[str, TopicSpec] = {
    dead_letter(source).name: source for source in (RAW_WEBHOOKS, GATEWAY_EVENTS, COMMANDS, SETTLEMENT_ENTRIES)
} | {REJECTED_WEBHOOKS.name: RAW_WEBHOOKS}
"""Parked topic to the topic that its records came from."""

RETRY_PREFIX = "ps_retry_"
_DEAD_LETTER_PREFIX = "ps_dlq_"
_REJECTION_HEADERS = frozenset({"ps_reason", "ps_message", "ps_raw_partition", "ps_raw_offset"})
_SHOWN_PREFIXES = ("ce_", "ps_")
_NAME: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a parked record lies. `topic` is the catalog's name, without the environment's prefix."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRecord:
    """A parked record as people see it: why it is here, and nothing that could be used to forge another.

    `claimed_account` is whose it says it is. `attempt` counts how often it was tried. The body is told by its size and
    its SHA-256 digest. The source's position is None where the record does not say it.
    """

    place: Place
    source_topic: str
    source_partition: int | None
    source_offset: int | None
    parked_at: datetime | None
    claimed_account: str | None
    gateway: str | None
    reason: str
    message: str
    attempt: int
    key: str | None
    body_size: int
    body_digest: str
    headers: tuple[tuple[str, str], ...]
    http_headers: tuple[tuple[str, str], ...]
    path: str | None


def parked_topic(name: str) -> TopicSpec:
    """The parked topic of this name. Raises NotFound."""
    for spec in PARKED_TOPICS:
        if spec.name == name:
            return spec
    raise NotFound(f"there are no dead letters on {name!r}", field="topic")


def dead_letter_topic(name: str) -> TopicSpec:
    """The topic of dead letters of this name. Raises NotFound."""
    spec = parked_topic(name)
    if spec not in DEAD_LETTERS:
        raise NotFound(f"there are no dead letters on {name!r}", field="topic")
    return spec


def read_parked(spec: TopicSpec, record: TopicRecord) -> ParkedRecord:
    """Read a record of a parked topic; nothing in it can make this fail."""
    said = _last_of_each(record.headers)
    origin, reason, message = "ps_dlq", "ps_dlq_error", "ps_dlq_message"
    if spec.name == REJECTED_WEBHOOKS.name:
        origin, reason, message = "ps_raw", "ps_reason", "ps_message"
    body = record.value or b""
    content = {} if spec.carries_callbacks else _json_object(body)
    path = said.get("ps_path")
    return ParkedRecord(
        place=Place(topic=spec.name, partition=record.partition, offset=record.offset),
        source_topic=SOURCES[spec.name].name,
        source_partition=_number(said.get(f"{origin}_partition")),
        source_offset=_number(said.get(f"{origin}_offset")),
        parked_at=None if record.written_at == UNDATED else record.written_at,
        claimed_account=_name(said.get("ps_account") if spec.carries_callbacks else content.get("account")),
        gateway=_name(said.get("ps_gateway") if spec.carries_callbacks else content.get("gateway")),
        reason=shown_text(said.get(reason, "unknown")),
        message=shown_text(said.get(message, "")),
        attempt=1 + attempts_before(record.headers),
        key=None if record.key is None else shown_text(record.key.decode(errors="replace")),
        body_size=len(body),
        body_digest=hashlib.sha256(body).hexdigest(),
        headers=tuple(_shown_record_headers(record.headers)),
        http_headers=shown_headers(_http_headers(said.get("ps_http_headers"))),
        path=None if path is None else shown_path(path),
    )


def source_headers(record: TopicRecord, spec: TopicSpec) -> RecordHeaders:
    """The headers that the record had in its source: without what parking and former retries have added."""
    added = _REJECTION_HEADERS if spec.name == REJECTED_WEBHOOKS.name else frozenset[str]()
    return [
        (name, value)
        for name, value in record.headers
        if name not in added and not name.startswith((_DEAD_LETTER_PREFIX, RETRY_PREFIX))
    ]


def retry_headers(record: TopicRecord, place: Place, actor: str, now: datetime) -> RecordHeaders:
    """The headers that mark a record as put back: from where, for which time, by whom, and when."""
    marks = {
        "of": str(place),
        "attempt": str(1 + attempts_before(record.headers)),
        "by": actor,
        "at": now.isoformat(),
    }
    return [(RETRY_PREFIX + name, value.encode()) for name, value in marks.items()]


def attempts_before(headers: Sequence[tuple[str, bytes]]) -> int:
    """How often a record was put back before."""
    return _number(_last_of_each(headers).get(f"{RETRY_PREFIX}attempt")) or 0


def _last_of_each(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    return {name: (value or b"").decode(errors="replace") for name, value in headers}


def _shown_record_headers(headers: Iterable[tuple[str, bytes | None]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        text = (value or b"").decode(errors="replace")
        if name == "ps_path":
            yield name, shown_path(text)
        elif name == "content-type" or (name.startswith(_SHOWN_PREFIXES) and name != "ps_http_headers"):
            yield shown_text(name), shown_text(text)
        else:
            yield shown_text(name), REDACTED


def _http_headers(text: str | None) -> list[tuple[str, str]]:
    try:
        return [(str(name), str(value)) for name, value in json.loads(text or "[]")]
    except (ValueError, TypeError, RecursionError):
        return []


def _json_object(body: bytes) -> Mapping[str, object]:
    """What a record of ours says; a command is wrapped once more."""
    try:
        said = from_json(body)
    except ValueError:
        return {}
    if isinstance(said, Mapping) and isinstance(said.get("command"), Mapping):
        said = said["command"]
    return said if isinstance(said, Mapping) else {}


def _name(value: object) -> str | None:
    try:
        return _NAME.validate_python(value, strict=True)
    except ValidationError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None  # noqa: PLR2004 - 64 bits
