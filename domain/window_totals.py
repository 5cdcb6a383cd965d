"""What a settlement window holds: sums and counts of its entries by cause, and when they happened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from domain.ledger import Cause

AMOUNT_OF: Mapping[Cause, str] = {
    Cause.CAPTURE: "captures_minor",
    Cause.REFUND: "refunds_minor",
    Cause.DISPUTE_LOST: "disputes_minor",
    Cause.REVERSAL: "reversals_minor",
}
"""Which part of the gross an entry counts in, by its cause."""

COUNT_OF: Mapping[Cause, str] = {
    Cause.CAPTURE: "capture_count",
    Cause.REFUND: "refund_count",
    Cause.DISPUTE_LOST: "dispute_count",
    Cause.REVERSAL: "reversal_count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTotals:
    """Totals in minor units: net = gross - fee, and gross = captures + refunds + disputes + reversals.

    All but captures are negative; a refund that failed is an entry of the cause refund with a positive amount.
    """

    gross_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0
    captures_minor: int = 0
    refunds_minor: int = 0
    disputes_minor: int = 0
    reversals_minor: int = 0
    entry_count: int = 0
    capture_count: int = 0
    refund_count: int = 0
    dispute_count: int = 0
    reversal_count: int = 0
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None

    def plus(
        self, cause: Cause, *, gross_minor: int, fee_minor: int, net_minor: int, occurred_at: datetime
    ) -> "WindowTotals":
        """The totals with one entry more."""
        amount, count = AMOUNT_OF[cause], COUNT_OF[cause]
        by_cause = {amount: getattr(self, amount) + gross_minor, count: getattr(self, count) + 1}
        return replace(
            self,
            gross_minor=self.gross_minor + gross_minor,
            fee_minor=self.fee_minor + fee_minor,
            net_minor=self.net_minor + net_minor,
            entry_count=self.entry_count + 1,
            first_event_at=occurred_at if self.first_event_at is None else min(self.first_event_at, occurred_at),
            last_event_at=occurred_at if self.last_event_at is None else max(self.last_event_at, occurred_at),
            **by_cause,
        )
