"""Payout batches as they are asked for and shown."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue
from sqlalchemy import Row

from api.schemas.base import RequestModel, ResponseModel, decimal_of
from domain.ledger import Cause
from domain.settlement import BatchStatus
from storage.settlement import BatchRow
from topics.safe_text import SafeReference, SafeText

EXECUTE_EXAMPLE: dict[str, JsonValue] = {"bank_reference": "SEPA-2026-01-02-0001"}
FAIL_EXAMPLE: dict[str, JsonValue] = {"reason": "the recipient's account is closed"}

RecipientType = Literal["tenant", "partner"]

_SAME_NAMES = (
    "status",
    "required_approvals",
    "approved_by",
    "approved_at",
    "executed_by",
    "executed_at",
    "bank_reference",
    "paid_at",
    "failed_by",
    "failed_at",
    "failure_reason",
    "created_by",
    "created_at",
)
"""Fields that a batch has by the same names."""


class ExecutePayoutRequest(RequestModel):
    """What the bank said. Without a reference the payout is in transit; with it, it is completed."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXECUTE_EXAMPLE]})

    bank_reference: SafeReference | None = None


class FailPayoutRequest(RequestModel):
    """Why the payout did not reach the recipient."""

    model_config = ConfigDict(json_schema_extra={"examples": [FAIL_EXAMPLE]})

    reason: Annotated[SafeText, Field(min_length=1)]


class ApprovalResponse(ResponseModel):
    """Somebody's approval of a payout batch."""

    approved_by: str
    approved_at: datetime


class PayoutBatchResponse(ResponseModel):
    """A payout to one recipient in one currency. All `*_minor` are minor units of `currency`.

    net = gross - fee - reserve held + reserve released.
    """

    id: uuid.UUID
    object: Literal["payout_batch"] = "payout_batch"
    account: str
    recipient_type: RecipientType
    recipient_id: str
    currency: str
    status: BatchStatus
    gross_minor: int
    fee_minor: int
    net_minor: int
    reserve_held_minor: int = Field(description="Held back from this payout, to be released later.")
    reserve_released_minor: int = Field(description="Held back from former payouts and paid with this one.")
    net: str = Field(description="What is paid, in major units.", examples=["941.00"])
    entry_count: int
    payment_count: int
    payment_ids: list[str] | None = Field(
        description="The payments that the batch pays, of a large batch the first; null in lists."
    )
    period_start: datetime
    period_end: datetime
    required_approvals: int
    approvals: list[ApprovalResponse] | None = Field(description="In order; null in lists.")
    approved_by: str | None
    approved_at: datetime | None
    executed_by: str | None
    executed_at: datetime | None
    bank_reference: str | None
    paid_at: datetime | None
    failed_by: str | None
    failed_at: datetime | None
    failure_reason: str | None
    created_by: str
    created_at: datetime


class PayoutEntryResponse(ResponseModel):
    """A movement of the recipient's money that the batch pays; refunds and lost disputes are negative."""

    id: uuid.UUID
    object: Literal["settlement_entry"] = "settlement_entry"
    payment_id: str
    gateway: str
    cause: Cause
    currency: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    occurred_at: datetime
    recorded_at: datetime


class StatementBatchResponse(ResponseModel):
    """The batch that a statement is about."""

    id: uuid.UUID
    recipient_type: RecipientType
    recipient_id: str
    currency: str
    status: BatchStatus
    period_start: datetime
    period_end: datetime
    bank_reference: str | None


class StatementAmountsResponse(ResponseModel):
    """Amounts of a statement: decimal strings of major units beside integers of minor units."""

    gross: str
    gross_minor: int
    fee: str
    fee_minor: int
    net: str
    net_minor: int


class StatementEntryResponse(StatementAmountsResponse):
    """An entry of a statement."""

    entry_id: uuid.UUID
    payment_id: str
    gateway: str
    cause: Cause
    occurred_at: datetime


class StatementTotalsResponse(StatementAmountsResponse):
    """The last line of a statement; net = gross - fee - reserve held + reserve released."""

    entry_count: int
    reserve_held: str
    reserve_held_minor: int
    reserve_released: str
    reserve_released_minor: int


class PayoutStatementResponse(ResponseModel):
    """The statement of a payout batch."""

    payout_batch: StatementBatchResponse
    entries: list[StatementEntryResponse]
    totals: StatementTotalsResponse


def payout_batch_response(
    batch: BatchRow, approvals: Sequence[tuple[str, datetime]] | None = None
) -> PayoutBatchResponse:
    """Show a batch; with its approvals and payments where it was read alone."""
    recipient, totals = batch.recipient, batch.totals
    given = None
    if approvals is not None:
        given = [ApprovalResponse(approved_by=who, approved_at=when) for who, when in approvals]
    return PayoutBatchResponse.model_validate(
        {
            "id": batch.id,
            "account": recipient.account,
            "recipient_type": recipient.recipient_type,
            "recipient_id": recipient.recipient_id,
            "currency": recipient.currency,
            "gross_minor": totals.gross_minor,
            "fee_minor": totals.fee_minor,
            "net_minor": totals.net_minor,
            "reserve_held_minor": totals.reserve_held_minor,
            "reserve_released_minor": totals.reserve_released_minor,
            "net": decimal_of(totals.net_minor, recipient.currency),
            "entry_count": totals.entry_count,
            "payment_count": len(totals.payment_ids) if batch.payment_count is None else batch.payment_count,
            "payment_ids": None if approvals is None else list(totals.payment_ids),
            "period_start": batch.period.start,
            "period_end": batch.period.end,
            "approvals": given,
            **{name: getattr(batch, name) for name in _SAME_NAMES},
        }
    )


def payout_entry_response(row: Row[Any]) -> PayoutEntryResponse:
    """Show an entry of a batch."""
    return PayoutEntryResponse.model_validate(row)
