"""The sizes that reconciliation works with."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ReconcileRules:
    """`quiet_after`: how long nothing may change before a payment is looked at. `batch_size`: most claims at once."""

    quiet_after: timedelta = timedelta(minutes=15)
    batch_size: int = 50
