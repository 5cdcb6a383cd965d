"""Find out what the fold does, by folding: every small set of facts, and each further fact on top of it.

The document of the lifecycle is made from what is found here, so that it cannot say anything else than the code does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache
from itertools import combinations

from domain.events import Milestone, new_milestones
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, Fact, FactKind
from domain.ledger import movements, receivable_account
from domain.payment import EVENT_ID_CONFLICT, PaymentState, PaymentTerms, Split, Status, Totals, fold, status_of

TERMS = PaymentTerms(
    payment_id="payment",
    account="shop",
    gateway="gateway",
    amount_minor=1000,
    currency="USD",
    splits=(Split("tenant", "shop", 1000),),
)
"""A payment of 1000 minor units without a fee: what is posted is what moved."""

LARGEST_SET = 3
"""Facts before the further one; a test shows that larger sets reach no other transition."""

ANOMALY = "payment.anomaly"
COMPLETED = "payment.completed"


def _fact(kind: FactKind, amount_minor: int | None = None, movement: str | None = None) -> Fact:
    return Fact(
        gateway=TERMS.gateway,
        account=TERMS.account,
        gateway_event_id=f"{kind}:{movement}:{amount_minor}",
        kind=kind,
        provider_reference="order",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        amount_minor=amount_minor if kind in NEEDS_AMOUNT else None,
        currency=TERMS.currency if kind in NEEDS_AMOUNT else None,
        movement_reference=movement if kind in NEEDS_MOVEMENT else None,
    )


FACTS: Mapping[str, Fact] = {
    "requires_action": _fact(FactKind.REQUIRES_ACTION),
    "processing": _fact(FactKind.PROCESSING),
    "authorized 1000": _fact(FactKind.AUTHORIZED, 1000),
    "captured 1000": _fact(FactKind.CAPTURED, 1000, "capture"),
    "captured 400": _fact(FactKind.CAPTURED, 400, "second capture"),
    "attempt_failed": _fact(FactKind.ATTEMPT_FAILED),
    "failed": _fact(FactKind.FAILED),
    "cancelled": _fact(FactKind.CANCELLED),
    "reversed": _fact(FactKind.REVERSED),
    "refund_pending 400": _fact(FactKind.REFUND_PENDING, 400, "refund"),
    "refunded 400": _fact(FactKind.REFUNDED, 400, "refund"),
    "refunded 600": _fact(FactKind.REFUNDED, 600, "second refund"),
    "refund_failed": _fact(FactKind.REFUND_FAILED, None, "refund"),
    "dispute_opened 1000": _fact(FactKind.DISPUTE_OPENED, 1000, "dispute"),
    "dispute_won": _fact(FactKind.DISPUTE_WON, None, "dispute"),
    "dispute_lost 1000": _fact(FactKind.DISPUTE_LOST, 1000, "dispute"),
    "ignored": _fact(FactKind.IGNORED),
    "ignored, its event id used before with other content": replace(_fact(FactKind.IGNORED), reason=EVENT_ID_CONFLICT),
    "captured in another currency": replace(_fact(FactKind.CAPTURED, 1000, "foreign capture"), currency="EUR"),
    "captured without an amount": replace(_fact(FactKind.CAPTURED, None, "capture"), currency=None),
}
"""One payment's possible facts, by what a reader calls them."""

DECISIONS = ("captured 1000", "failed", "cancelled")
"""What people can decide of a manual payment."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one further fact does; amounts in minor units, `postings` by cause as the gateway's receivable sees them."""

    before: Status
    after: Status
    amounts: dict[str, int]
    postings: dict[str, int]
    events: tuple[Milestone, ...]

    @property
    def is_usual(self) -> bool:
        """True when nothing had waited for this fact and nothing is odd about it: it was told in its turn."""
        return len([one for one in self.events if one.type != COMPLETED]) <= 1 and all(
            one.type != ANOMALY for one in self.events
        )


@dataclass(frozen=True, slots=True)
class Explored:
    """A further fact on top of a set of facts, both by name, and its effect."""

    given: tuple[str, ...]
    fact: str
    effect: Effect

    @property
    def kind(self) -> FactKind:
        """The kind of the further fact."""
        return FACTS[self.fact].kind


def state_of(names: tuple[str, ...], *, awaiting_approval: bool = False) -> PaymentState:
    """Fold facts, given by name, from nothing."""
    state = PaymentState(awaiting_approval=awaiting_approval)
    for name in names:
        state = fold(state, TERMS, FACTS[name])
    return state


def effect_of(state: PaymentState, name: str) -> Effect:
    """Fold one further fact and say what changed."""
    after = fold(state, TERMS, FACTS[name])
    return Effect(
        before=status_of(state),
        after=status_of(after),
        amounts=_differences(state.totals, after.totals),
        postings={
            str(movement.cause): dict(movement.postings).get(receivable_account(TERMS.gateway), 0)
            for movement in movements(state, after, TERMS)
        },
        events=tuple(new_milestones(state, after, TERMS)),
    )


def _differences(before: Totals, after: Totals) -> dict[str, int]:
    names = [one.name for one in fields(Totals) if one.name != "kinds"]
    changes = {name: getattr(after, name) - getattr(before, name) for name in (*names, "refundable")}
    return {name: change for name, change in changes.items() if change}


@cache
def explored_states(largest_set: int = LARGEST_SET) -> Mapping[tuple[str, ...], PaymentState]:
    """Every set of at most so many facts and the state it folds to, smaller sets first."""
    return {names: state_of(names) for size in range(largest_set + 1) for names in combinations(FACTS, size)}


@cache
def explore(largest_set: int = LARGEST_SET) -> tuple[Explored, ...]:
    """Each further fact on top of every set that lacks it, smaller sets first."""
    return tuple(
        Explored(given, name, effect_of(state, name))
        for given, state in explored_states(largest_set).items()
        for name in FACTS
        if name not in given
    )


def explore_decisions() -> tuple[Explored, ...]:
    """The decisions on a payment that awaits approval."""
    waiting = PaymentState(awaiting_approval=True)
    return tuple(Explored((), name, effect_of(waiting, name)) for name in DECISIONS)


def transitions(found: tuple[Explored, ...]) -> Iterator[tuple[Status, Status, FactKind, bool]]:
    """Every change of status once for each kind of fact: from, to, kind, and whether it can be the usual way."""
    seen: dict[tuple[Status, Status, FactKind], bool] = {}
    for one in found:
        if one.effect.before is not one.effect.after:
            key = (one.effect.before, one.effect.after, one.kind)
            seen[key] = seen.get(key, False) or one.effect.is_usual
    for (before, after, kind), usual in seen.items():
        yield before, after, kind, usual
