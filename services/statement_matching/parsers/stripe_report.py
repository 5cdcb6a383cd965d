"""Stripe's reports of balance transactions: itemized balance change from activity, payout reconciliation, and payouts.

Amounts are in major units. Times are read from the columns in UTC where the report has them. Source: Stripe's
documentation of report types and of reporting categories.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from domain.statement_lines import LineKind, StatementLine, normal_names
from services.statement_matching.parsers.fields import Row, refuse
from services.statement_matching.parsers.tables import read_rows

REQUIRED = ("currency", "gross", "fee", "net", "reporting_category")
TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y-%m-%d")

_KINDS: Mapping[str, LineKind] = MappingProxyType(
    {
        "charge": LineKind.CAPTURE,
        "refund": LineKind.REFUND,
        "refund_failure": LineKind.REFUND_FAILED,
        "dispute": LineKind.DISPUTE,
        "dispute_reversal": LineKind.DISPUTE_WON,
        "payout": LineKind.PAYOUT,
    }
)
PARTIAL_CAPTURE = "partial_capture_reversal"
"""What was authorized and not captured: Stripe books the whole charge, and this beside it."""


def parse(content: bytes) -> list[StatementLine]:
    """Read a report. Raises MalformedPayload, naming line and column."""
    lines: dict[str, StatementLine] = {}
    reversals: list[tuple[Row, StatementLine]] = []
    for row in read_rows(content, required=REQUIRED):
        line = _line(row)
        if row.required("reporting_category") == PARTIAL_CAPTURE:
            reversals.append((row, line))
        elif line.reference in lines:
            refuse(row.number, "balance_transaction_id", f"{line.reference} is in the file twice")
        else:
            lines[line.reference] = line
    charges = {line.names[:1]: line.reference for line in lines.values() if line.kind is LineKind.CAPTURE}
    for row, reversal in reversals:
        charge = charges.get(normal_names([row.first("charge_id", "source_id")]))
        if charge is None:
            lines[reversal.reference] = reversal
        else:
            lines[charge] = _less(lines[charge], reversal)
    return list(lines.values())


def _line(row: Row) -> StatementLine:
    currency = row.currency("currency")
    gross, fee, net = (row.amount(column, currency) for column in ("gross", "fee", "net"))
    if net != gross - fee:
        refuse(row.number, "net", "is not gross less fee")
    kind = _KINDS.get(row.required("reporting_category"), LineKind.OTHER)
    source = row.first("source_id", "payout_id")
    reference = row.first("balance_transaction_id", "source_id", "payout_id")
    if reference is None:
        refuse(row.number, "balance_transaction_id", "is empty")
    when = _first_column(row, "created_utc", "created", "effective_at_utc", "effective_at")
    arrives = _first_column(row, "payout_expected_arrival_date") if kind is LineKind.PAYOUT else None
    paid_out = _first_column(row, "automatic_payout_effective_at_utc", "automatic_payout_effective_at")
    payout = source if kind is LineKind.PAYOUT else row.optional("automatic_payout_id")
    return StatementLine(
        number=row.number,
        reference=reference,
        kind=kind,
        names=normal_names([source or reference, row.optional("charge_id"), row.optional("payment_intent_id")]),
        gross_minor=gross,
        fee_minor=fee,
        net_minor=net,
        currency=currency,
        occurred_at=row.moment(arrives or when or "created_utc", TIME_FORMATS),
        payout_reference=payout,
        payout_at=None if paid_out is None else row.moment(paid_out, TIME_FORMATS),
        description=row.optional("description"),
    )


def _first_column(row: Row, *columns: str) -> str | None:
    return next((column for column in columns if row.optional(column)), None)


def _less(charge: StatementLine, reversal: StatementLine) -> StatementLine:
    """A charge without what of it was not captured."""
    return replace(
        charge,
        gross_minor=charge.gross_minor + reversal.gross_minor,
        fee_minor=charge.fee_minor + reversal.fee_minor,
        net_minor=charge.net_minor + reversal.net_minor,
    )
