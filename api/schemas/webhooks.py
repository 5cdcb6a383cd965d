"""Received callbacks, rejected callbacks and dead letters as they are shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.filters import UtcDatetime
from domain.facts import FactKind
from services.dead_letter_batches import PAGE_SIZE, BatchPage, OutcomeKind
from services.dead_letters import Parked, ParkedFilter
from storage.dead_letters import DecisionKind
from storage.inbox import Disposition
from storage.inbox_list import ReceivedFact
from topics.catalog import DEAD_LETTERS
from topics.message import Name
from topics.safe_text import SafeText

DISCARD_EXAMPLE: dict[str, JsonValue] = {"reason": "a test of the gateway's, for a shop that is closed"}
SELECTION_EXAMPLE: dict[str, JsonValue] = {
    "selection": {"topic": DEAD_LETTERS[0].name, "reason": "MalformedPayload", "parked_from": "2026-01-02T03:04:05Z"},
    "dry_run": True,
}
NO_NUL = r"^[^\x00]*$"

DeadLetterTopic = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9.-]{1,100}$",
        json_schema_extra={"enum": [spec.name for spec in DEAD_LETTERS]},
        examples=[DEAD_LETTERS[0].name],
    ),
]
Partition = Annotated[int, Field(ge=0, lt=2**31)]
Offset = Annotated[int, Field(ge=0, lt=2**63)]


class RecordPositionResponse(ResponseModel):
    """Where a record lies on Kafka."""

    topic: str
    partition: int | None
    offset: int | None


class ReceivedWebhookResponse(ResponseModel):
    """A fact that a callback brought, and what became of it."""

    object: Literal["received_webhook"] = "received_webhook"
    account: str
    gateway: str
    gateway_event_id: str
    kind: FactKind
    disposition: Disposition
    payment_id: str | None
    provider_reference: str
    movement_reference: str | None
    amount_minor: int | None
    currency: str | None
    reason: str | None
    occurred_at: datetime = Field(description="When it happened, by the gateway's clock.")
    recorded_at: datetime
    raw_partition: int = Field(description="Where the callback lies on the topic of raw callbacks, byte for byte.")
    raw_offset: int


class HeaderResponse(ResponseModel):
    """A header; values that could prove something to somebody are `[redacted]`."""

    name: str
    value: str


class DecisionResponse(ResponseModel):
    """What was decided about a record."""

    decision: DecisionKind
    reason: str | None
    decided_by: str
    decided_at: datetime
    sent_to: RecordPositionResponse | None = Field(description="Where the record was put, if it was put back.")


class ParkedRecordResponse(ResponseModel):
    """A record that was taken out of the stream, and why. The body itself is not shown."""

    topic: str
    partition: int
    offset: int
    source: RecordPositionResponse
    account: str | None = Field(description="Null where the record does not say whose it is; operators see those.")
    gateway: str | None
    parked_at: datetime | None
    reason: str = Field(examples=["signature_invalid"])
    message: str
    attempt: int = Field(description="How often it was tried; more than 1 after retries.")
    key: str | None
    body_size: int = Field(description="In bytes.")
    body_sha256: str
    path: str | None = Field(description="Where it was posted to, without its query string; null for other records.")
    http_headers: list[HeaderResponse] = Field(description="The request's headers; empty for other records.")
    record_headers: list[HeaderResponse]
    decision: DecisionResponse | None


class DeadLetterResponse(ParkedRecordResponse):
    """A record that could not be processed, however often it was tried."""

    object: Literal["dead_letter"] = "dead_letter"


class RejectedWebhookResponse(ParkedRecordResponse):
    """A callback that is not proven to come from its gateway, or that cannot be read."""

    object: Literal["rejected_webhook"] = "rejected_webhook"


class DiscardRequest(RequestModel):
    """Why nothing more is to be done about a dead letter."""

    model_config = ConfigDict(json_schema_extra={"examples": [DISCARD_EXAMPLE]})

    reason: Annotated[SafeText, Field(min_length=1)]


class DeadLetterSelection(RequestModel):
    """Which dead letters are meant: undecided ones that are as all of this says."""

    topic: DeadLetterTopic | None = None
    reason: Annotated[str, Field(max_length=255, pattern=NO_NUL)] | None = Field(
        default=None, description="The error, as the list names it.", examples=["MalformedPayload"]
    )
    gateway: Name | None = None
    parked_from: UtcDatetime | None = None
    parked_before: UtcDatetime | None = None
    unattributed: bool = Field(default=False, description="Those that belong to no account, instead; for operators.")


class RetryDeadLettersRequest(RequestModel):
    """Many dead letters that are to be put back, a bounded number at a time."""

    model_config = ConfigDict(json_schema_extra={"examples": [SELECTION_EXAMPLE]})

    selection: DeadLetterSelection = DeadLetterSelection()
    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE)] = PAGE_SIZE
    cursor: Annotated[str, Field(max_length=4_000)] | None = Field(
        default=None, description="`next_cursor` of the answer before."
    )
    dry_run: bool = Field(default=False, description="Say which ones they are, and decide nothing.")


class DiscardDeadLettersRequest(RetryDeadLettersRequest):
    """Many dead letters about which nothing more is to be done, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [SELECTION_EXAMPLE | DISCARD_EXAMPLE]})

    reason: Annotated[SafeText, Field(min_length=1)]


class DeadLetterOutcomeResponse(ResponseModel):
    """What became of one dead letter."""

    topic: str
    partition: int
    offset: int
    outcome: OutcomeKind
    message: str


class DeadLetterBatchResponse(ResponseModel):
    """What became of many dead letters. There may be more where `has_more` says so, also after none at all."""

    object: Literal["dead_letter_batch"] = "dead_letter_batch"
    counts: dict[OutcomeKind, int] = Field(description="How many had each outcome; outcomes of none are absent.")
    outcomes: list[DeadLetterOutcomeResponse]
    stopped: str | None = Field(description="Why the rest was not tried; the same request again goes on.")
    has_more: bool
    next_cursor: str | None


def selected(selection: DeadLetterSelection) -> ParkedFilter:
    """What a selection asks for."""
    return ParkedFilter(**selection.model_dump(exclude={"topic"}))


def dead_letter_batch_response(page: BatchPage, next_cursor: str | None) -> DeadLetterBatchResponse:
    """Show what became of many dead letters."""
    return DeadLetterBatchResponse(
        counts=dict(page.counts),
        outcomes=[
            DeadLetterOutcomeResponse(
                topic=one.place.topic,
                partition=one.place.partition,
                offset=one.place.offset,
                outcome=one.kind,
                message=one.message,
            )
            for one in page.outcomes
        ],
        stopped=page.stopped,
        has_more=next_cursor is not None or page.stopped is not None,
        next_cursor=next_cursor,
    )


def received_webhook_response(fact: ReceivedFact) -> ReceivedWebhookResponse:
    """Show a fact that a callback brought."""
    return ReceivedWebhookResponse.model_validate(fact)


def dead_letter_response(parked: Parked) -> DeadLetterResponse:
    """Show a dead letter."""
    return DeadLetterResponse.model_validate(_shown(parked))


def rejected_webhook_response(parked: Parked) -> RejectedWebhookResponse:
    """Show a rejected callback."""
    return RejectedWebhookResponse.model_validate(_shown(parked))


def _shown(parked: Parked) -> dict[str, object]:
    record = parked.record
    return {
        "topic": record.place.topic,
        "partition": record.place.partition,
        "offset": record.place.offset,
        "source": {
            "topic": record.source_topic,
            "partition": record.source_partition,
            "offset": record.source_offset,
        },
        "account": parked.account,
        "gateway": record.gateway,
        "parked_at": record.parked_at,
        "reason": record.reason,
        "message": record.message,
        "attempt": record.attempt,
        "key": record.key,
        "body_size": record.body_size,
        "body_sha256": record.body_digest,
        "path": record.path,
        "http_headers": [{"name": name, "value": value} for name, value in record.http_headers],
        "record_headers": [{"name": name, "value": value} for name, value in record.headers],
        "decision": _decision(parked),
    }


def _decision(parked: Parked) -> dict[str, object] | None:
    decision = parked.decision
    if decision is None:
        return None
    sent_to = None
    if decision.sent_topic is not None:
        sent_to = {
            "topic": decision.sent_topic,
            "partition": decision.sent_partition,
            "offset": decision.sent_offset,
        }
    return {
        "decision": decision.kind,
        "reason": decision.reason,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at,
        "sent_to": sent_to,
    }
