"""Reading what gateways send: JSON objects, names, times, and the ids that facts are deduplicated by.

Nothing in a payload is taken on trust, proven or not: a field of the wrong shape raises MalformedPayload.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind

Payload = Mapping[str, Any]
"""A JSON object as it was parsed."""

MAX_REASON_LENGTH = 500
_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,200}")
_URL = re.compile(r"https?://[\x21-\x7e]{1,4000}")


def parse_object(text: str) -> Payload:
    """Parse a JSON object; fractions become Decimal, never float. Raises MalformedPayload."""
    try:
        parsed = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload("the payload is not JSON that can be read") from error
    return as_object(parsed, "the payload")


def as_object(value: object, name: str) -> Payload:
    """Return `value` when it is a JSON object; raise MalformedPayload, naming it, otherwise."""
    if not isinstance(value, dict):
        raise MalformedPayload(f"{name} is not a JSON object")
    return value


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


def optional_url(value: object) -> str | None:
    """Return `value` when it can be the address of a page on the web, None otherwise."""
    return value if isinstance(value, str) and _URL.fullmatch(value) else None


def moment(seconds: object) -> datetime:
    """Return a time given in Unix seconds. Raises MalformedPayload."""
    if type(seconds) is not int:
        raise MalformedPayload("a time is an integer of Unix seconds")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedPayload("a time is out of range") from error


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
