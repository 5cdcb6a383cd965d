"""What happened to a payment: its domain events, and everything that is recorded of it.

The timeline is for people who look into a payment, and may quote what others wrote. What only a client of the payer's
or a gateway should have is therefore taken out of it here, whatever wrote it there.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue
from sqlalchemy import Row

from api.schemas.base import ResponseModel
from services.timeline import TimelineEntry, TimelineKind
from topics.payment_events import PaymentEvent

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(r"secret|token|passw|authorization|cookie|credential|private_key|api_key", re.IGNORECASE)
_QUERY = re.compile(r"((?:[a-z][a-z0-9+.-]*:/)?/[^\s?#]*)[?#]\S+", re.IGNORECASE)


class EventResponse(ResponseModel):
    """A domain event, as it was published. `data` is the payment as it stood then."""

    id: str
    object: Literal["event"] = "event"
    type: str = Field(examples=["payment.completed"])
    sequence: int = Field(description="Grows by one with every event of the payment.")
    payment_id: str
    occurred_at: datetime
    recorded_at: datetime
    data: PaymentEvent


class TimelineEntryResponse(ResponseModel):
    """One thing that was recorded: when, of which kind, in one line, and in full."""

    at: datetime
    kind: TimelineKind
    title: str
    details: dict[str, JsonValue]


class TimelineResponse(ResponseModel):
    """Everything recorded of a payment, oldest first."""

    object: Literal["timeline"] = "timeline"
    payment_id: str
    entries: list[TimelineEntryResponse]


def event_response(row: Row[Any]) -> EventResponse:
    """Show a row of the table `payment_events`."""
    return EventResponse(
        id=row.event_id,
        type=row.type,
        sequence=row.sequence,
        payment_id=row.payment_id,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        data=PaymentEvent.model_validate(row.payload),
    )


def timeline_response(payment_id: str, entries: Iterable[TimelineEntry]) -> TimelineResponse:
    """Show a timeline, without secrets and without the query strings of addresses."""
    shown = [
        TimelineEntryResponse(
            at=entry.at,
            kind=entry.kind,
            title=redact(entry.title),
            details={name: redact(value, name) for name, value in entry.details.items()},
        )
        for entry in entries
    ]
    return TimelineResponse(payment_id=payment_id, entries=shown)


def redact(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any value of JSON
    """Return the value without what is named like a secret, and without what follows an address's path."""
    if value is not None and _SECRET_NAME.search(name):
        return REDACTED
    if isinstance(value, str):
        return _QUERY.sub(rf"\1?{REDACTED}", value)
    if isinstance(value, dict):
        return {key: redact(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [redact(part) for part in value]
    return value
