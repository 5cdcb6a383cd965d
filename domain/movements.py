"""How one refund or one dispute of a payment stands, derived from the payment's steps."""

from collections.abc import Iterable

from domain.facts import FactKind
from domain.payment import Step

REFUND_KINDS = {
    FactKind.REFUND_FAILED: "failed",
    FactKind.REFUNDED: "succeeded",
    FactKind.REFUND_PENDING: "pending",
}
DISPUTE_KINDS = {
    FactKind.DISPUTE_LOST: "lost",
    FactKind.DISPUTE_WON: "won",
    FactKind.DISPUTE_OPENED: "opened",
}
"""Kinds of facts and the status each means, the later word of the lifecycle first: it wins, whenever it came."""


def movement_standing(steps: Iterable[Step], reference: str, kinds: dict[FactKind, str]) -> tuple[str, int]:
    """Return status and amount in minor units of the refund or dispute that the gateway calls `reference`."""
    amounts: dict[FactKind, int] = {}
    for kind, name, amount_minor in steps:
        if name == reference and kind in kinds:
            amounts[kind] = max(amounts.get(kind, 0), amount_minor or 0)
    status = next(meaning for kind, meaning in kinds.items() if kind in amounts)
    return status, max(amounts.values())
