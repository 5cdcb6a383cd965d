"""Reading what gateways send: JSON objects, names, times, and the ids that facts are deduplicated by.

Nothing in a payload is taken on trust, proven or not: a field of the wrong shape raises MalformedPayload.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, NoReturn

from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

Payload = Mapping[str, Any]
"""A JSON object as it was parsed."""

MAX_REASON_LENGTH = 500
MAX_STATUS_LENGTH = 40
MILLISECONDS_PER_SECOND = 1_000
_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,200}")
_URL = re.compile(r"https?://[\x21-\x7e]{1,4000}")


def parse_object(text: str | bytes) -> Payload:
    """Parse a JSON object, given as text or in UTF-8; fractions are Decimal, never float. Raises MalformedPayload."""
    try:
        # JSON's own reader of bytes would take other encodings as well, which nobody has signed.
        text = text.decode() if isinstance(text, bytes) else text
        parsed = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload("the payload is not JSON that can be read") from error
    return as_object(parsed, "the payload")


def as_object(value: object, name: str) -> Payload:
    """Return `value` when it is a JSON object; raise MalformedPayload, naming it, otherwise."""
    if not isinstance(value, dict):
        raise MalformedPayload(f"{name} is not a JSON object")
    return value


def part_of(payload: Payload, key: str) -> Payload:
    """Return the JSON object that a payload has under a key, an empty one where it has none."""
    value = payload.get(key)
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Payload]:
    """Return the JSON objects of a list, and nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def require_identifier(payload: Payload, key: str) -> str:
    """Return an identifier: printable ASCII without spaces. Raises MalformedPayload."""
    value = optional_identifier(payload.get(key))
    if value is None:
        raise MalformedPayload(f"the payload has no usable {key!r}", field=key)
    return value


def optional_identifier(value: object) -> str | None:
    """Return `value` when it can be an identifier, None otherwise."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def optional_text(value: object) -> str | None:
    """Return a text that is not empty, cut to the length of a reason; None otherwise."""
    return value[:MAX_REASON_LENGTH] if isinstance(value, str) and value else None


def reason_text(code: str, message: str | None) -> str:
    """Return why something failed: the gateway's code and, where it gives one, its message."""
    return f"{code}: {message}"[:MAX_REASON_LENGTH] if message else code


def unmapped_status(status: object) -> str:
    """Return the reason of a fact that says nothing, because the status that it was read from is not known here."""
    return f"unmapped status {str(status)[:MAX_STATUS_LENGTH]}"


def optional_url(value: object) -> str | None:
    """Return `value` when it can be the address of a page on the web, None otherwise."""
    return value if isinstance(value, str) and _URL.fullmatch(value) else None


def require_url(payload: Payload, key: str) -> str:
    """Return the address of a page on the web. Raises MalformedPayload."""
    value = optional_url(payload.get(key))
    if value is None:
        raise MalformedPayload(f"the payload has no usable {key!r}", field=key)
    return value


def moment(seconds: object) -> datetime:
    """Return a time given in Unix seconds. Raises MalformedPayload."""
    if type(seconds) is not int:
        raise MalformedPayload("a time is an integer of Unix seconds")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedPayload("a time is out of range") from error


def moment_from_milliseconds(milliseconds: object) -> datetime:
    """Return a time given in Unix milliseconds. Raises MalformedPayload."""
    if type(milliseconds) is not int:
        raise MalformedPayload("a time is an integer of Unix milliseconds")
    seconds, rest = divmod(milliseconds, MILLISECONDS_PER_SECOND)
    return moment(seconds) + timedelta(milliseconds=rest)


def moment_from_text(text: object, *, zone: tzinfo | None = None, field: str | None = None) -> datetime:
    """Return a time given as ISO 8601 and RFC 3339 write it, in UTC.

    `zone` is that of a time that names none, which is refused otherwise; `field` says where the time stands, for the
    error. Raises MalformedPayload.
    """
    if not isinstance(text, str):
        raise MalformedPayload("a time is a text such as 2026-01-02T03:00:00Z", field=field)
    try:
        told = datetime.fromisoformat(text)
        told = told.replace(tzinfo=told.tzinfo or zone)
        in_utc = None if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedPayload("a time cannot be read", field=field) from error
    if in_utc is None:
        raise MalformedPayload("a time names no zone", field=field)
    return in_utc


def optional_moment(text: object, *, zone: tzinfo | None = None, field: str | None = None) -> datetime | None:
    """Return a time given as `moment_from_text` reads it, None when there is none. Raises MalformedPayload."""
    return None if text is None else moment_from_text(text, zone=zone, field=field)


def moment_or(seconds: object, otherwise: datetime) -> datetime:
    """Return a time given in Unix seconds, or `otherwise` when there is none."""
    return otherwise if seconds is None else moment(seconds)


def first_text(*values: object) -> str | None:
    """Return the first of the values that is a text and not empty."""
    return next(filter(None, map(optional_text, values)), None)


def api_fact_id(subject: str, kind: FactKind, amount_minor: int | None, reason: str | None) -> str:
    """Name a fact that an API answer told, so that reading the same thing twice is one fact.

    A reason takes part, because two attempts may fail for different reasons.
    """
    parts = ["api", subject, kind.value, "" if amount_minor is None else str(amount_minor)]
    if reason is not None:
        parts.append(hashlib.sha256(reason.encode()).hexdigest()[:12])
    return ":".join(parts)


def numbered(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Tell the facts of one event apart: the first keeps the event's id, the others add `#2`, `#3`, …"""
    return tuple(
        fact if position == 1 else replace(fact, gateway_event_id=f"{fact.gateway_event_id}#{position}")
        for position, fact in enumerate(facts, start=1)
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
