"""What gateways say of payments, at random, and what that must come to; shared by the proofs of settlement.

The sums are worked out here from the list of facts alone, with rational numbers and without the rules of `domain`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random

from domain.facts import Fact, FactKind

GATEWAY = "stripe"
CURRENCIES = ("USD", "JPY", "KWD")
"""With two, no and three decimals."""

PARTNERS = ("atelier", "studio")
LATENESS = (timedelta(0), timedelta(0), timedelta(minutes=7), timedelta(hours=5), timedelta(days=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """The fees that a payment was created with."""

    basis_points: int
    fixed_minor: int
    min_minor: int
    max_minor: int | None
    is_returned: bool


def history(
    payment_id: str, account: str, currency: str, amount_minor: int, at: datetime, chance: Random | None
) -> list[Fact]:
    """Captures in pieces, refunds of them that may fail, a dispute that may end: in the order in which they happened.

    Without a chance the payment is captured, and that is all.
    """
    told: list[Fact] = []
    happened = at if chance is None else at - chance.choice(LATENESS)

    def tell(kind: FactKind, reference: str, minor: int | None) -> None:
        told.append(
            Fact(
                gateway=GATEWAY,
                account=account,
                gateway_event_id=f"{payment_id}-{len(told)}",
                kind=kind,
                provider_reference=f"pi_{payment_id}",
                occurred_at=happened + timedelta(seconds=len(told)),
                amount_minor=minor,
                currency=currency,
                movement_reference=f"{reference}_{payment_id}",
            )
        )

    if chance is None:
        tell(FactKind.CAPTURED, "ch", amount_minor)
        return told
    pieces = chance.randint(1, 3)
    for number in range(pieces):
        tell(FactKind.CAPTURED, f"ch{number}", max(1, amount_minor // pieces))
    left = pieces * max(1, amount_minor // pieces)
    for number in range(chance.choice((0, 0, 1, 2, 3))):
        refunded = chance.randint(0, left) if chance.randint(0, 1) else left // 3
        if refunded:
            tell(FactKind.REFUNDED, f"re{number}", refunded)
        if refunded and chance.randint(0, 3) == 0:
            tell(FactKind.REFUND_FAILED, f"re{number}", None)
            refunded = 0
        left -= refunded
    if chance.randint(0, 3) == 0:
        disputed = chance.randint(1, amount_minor)
        tell(FactKind.DISPUTE_OPENED, "dp", disputed)
        if end := chance.choice((None, FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST)):
            tell(end, "dp", disputed)
    return told


def captured_and_given_back(facts: Iterable[Fact]) -> tuple[int, int, int]:
    """What these facts capture, refund, and take from recipients altogether, in minor units."""
    amounts: dict[FactKind, dict[str | None, int]] = {kind: {} for kind in FactKind}
    for fact in facts:
        amounts[fact.kind][fact.movement_reference] = fact.amount_minor or 0
    captured = sum(amounts[FactKind.CAPTURED].values())
    failed = amounts[FactKind.REFUND_FAILED].keys()
    refunded = sum(minor for name, minor in amounts[FactKind.REFUNDED].items() if name not in failed)
    lost = sum(amounts[FactKind.DISPUTE_LOST].values())
    return captured, min(captured, refunded), min(captured, refunded + lost)


def gross_and_fee(facts: Iterable[Fact], fees: Fees) -> tuple[int, int]:
    """What a payment's entries must come to, in minor units, whoever the recipients are."""
    captured, refunded, taken = captured_and_given_back(facts)
    if captured == 0:
        return 0, 0
    # Python rounds a fraction half-even.
    fee = max(fees.min_minor, round(Fraction(captured * fees.basis_points, 10_000)) + fees.fixed_minor)
    fee = min(captured, fee if fees.max_minor is None else min(fee, fees.max_minor))
    returned = round(Fraction(fee * refunded, captured)) if fees.is_returned else 0
    return captured - taken, fee - returned
