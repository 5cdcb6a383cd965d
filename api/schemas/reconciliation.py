"""Reconciliation as it is asked for and shown. All `*_minor` are minor units of the currency beside them."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.base import RequestModel, ResponseModel
from domain.matching import BreakKind, ExpectedFee
from domain.money import MAX_AMOUNT_MINOR
from domain.reconciliation_books import Stage
from domain.statement_lines import Side
from services.statement_matching.matching import MatchingReport, MatchingRules
from storage.statements import StatementReport
from topics.message import Currency, Name
from topics.safe_text import SafeText

RUN_EXAMPLE: dict[str, JsonValue] = {
    "tolerances_minor": {"EUR": 1},
    "fees": {"stripe": {"basis_points": 290, "fixed_minor": 30, "tolerance_minor": 1}},
}
RESOLVE_EXAMPLE: dict[str, JsonValue] = {
    "reason": "charged twice, says the gateway's support",
    "counter_account": "losses:reconciliation",
}

Minor = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
Days = Annotated[int, Field(strict=True, ge=0, le=60)]
CounterAccount = Literal["fees:adjustments", "fees:gateway", "losses:reconciliation", "suspense:reconciliation"]


class ExpectedFeeModel(RequestModel):
    """What a gateway charges for money that comes in."""

    basis_points: Annotated[int, Field(strict=True, ge=0, le=10_000)]
    fixed_minor: Minor = 0
    tolerance_minor: Minor = 0


class RunReconciliationRequest(RequestModel):
    """What is no difference, and for how many days money may be missing from statements."""

    model_config = ConfigDict(json_schema_extra={"examples": [RUN_EXAMPLE]})

    tolerances_minor: dict[Currency, Minor] = Field(default_factory=dict)
    fees: dict[Name, ExpectedFeeModel] = Field(default_factory=dict, description="By gateway.")
    gateway_days: Days = 3
    bank_days: Days = 5

    def rules(self) -> MatchingRules:
        """The rules of a run."""
        return MatchingRules(
            minor_by_currency=self.tolerances_minor,
            gateway_days=self.gateway_days,
            bank_days=self.bank_days,
            fees={gateway: ExpectedFee(**fee.model_dump()) for gateway, fee in self.fees.items()},
        )


class ReconciliationRunResponse(ResponseModel):
    """What a run found. `breaks` counts those that are open now, by kind."""

    matched: int
    breaks: dict[BreakKind, int]
    opened: int
    closed: int
    waiting: int = Field(description="What statements have not told of yet, and still may.")


class StatementReportResponse(ResponseModel):
    """An imported statement."""

    id: uuid.UUID
    object: Literal["statement"] = "statement"
    account: str
    side: Side
    source: str = Field(description="The gateway, or the name of the account at the bank.")
    format: str
    file_name: str
    sha256: str
    line_count: int
    new_line_count: int = Field(description="Without lines that another file had.")
    imported_by: str
    imported_at: datetime


class ResolveBreakRequest(RequestModel):
    """How a break was resolved; with a counter account, the difference is posted against it."""

    model_config = ConfigDict(json_schema_extra={"examples": [RESOLVE_EXAMPLE]})

    reason: Annotated[SafeText, Field(min_length=1)]
    counter_account: CounterAccount | None = None


class BreakResponse(ResponseModel):
    """A difference between the books and a statement. None is a side that tells nothing."""

    id: uuid.UUID
    object: Literal["break"] = "break"
    account: str
    stage: Stage
    kind: BreakKind
    gateway: str | None
    currency: str
    expected_minor: int | None = Field(description="What the books say; money that leaves is negative.")
    actual_minor: int | None = Field(description="What the statement says.")
    fee_minor: int
    detail: str
    items: list[str]
    occurred_at: datetime
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    ledger_transaction_id: uuid.UUID | None


def run_response(report: MatchingReport) -> ReconciliationRunResponse:
    """Show what a run found."""
    return ReconciliationRunResponse.model_validate(report)


def statement_report_response(report: StatementReport) -> StatementReportResponse:
    """Show an imported statement."""
    return StatementReportResponse(
        id=report.id,
        account=report.account,
        side=report.side,
        source=report.source,
        format=report.format,
        file_name=report.file_name,
        sha256=report.digest.hex(),
        line_count=report.line_count,
        new_line_count=report.new_line_count,
        imported_by=report.imported_by,
        imported_at=report.imported_at,
    )
