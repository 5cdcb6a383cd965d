"""`docs/lifecycle.md`, made from the rules themselves: states, facts, operations, commands, events, anomalies.

The sentences are written here and the tables are found by folding or read from the code's own tables. A sentence that
has no counterpart in the code, or a rule without a sentence, raises InvariantViolated instead of being printed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from domain.errors import InvariantViolated
from domain.events import EVENT_TYPES, is_superseded
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, FactKind
from domain.operations import OPERATIONS, Operation
from domain.payment import PaymentState, Status, status_of
from services.lifecycle_exploration import (
    ANOMALY,
    FACTS,
    TERMS,
    Effect,
    Explored,
    effect_of,
    explore,
    explore_decisions,
    explored_states,
    state_of,
    transitions,
)
from topics.commands import Command, CommandResult, PaymentCommandBase
from topics.payment_events import EVENT_TYPE_PREFIX

DOCUMENT_COMMAND = "paystream docs lifecycle"
CREATED = "payment.created"


@dataclass(frozen=True, slots=True)
class CommandNeeds:
    """What carrying out a kind of command takes: a capability of the gateway, if any, and a call of it."""

    capability: str | None
    asks_gateway: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    status: Status
    says: str
    holds: Callable[[PaymentState], bool]


def _saw(kind: FactKind) -> Callable[[PaymentState], bool]:
    return lambda state: kind in state.totals.kinds


RULES = (
    _Rule(
        Status.REFUNDED,
        "something is captured, and at least as much is refunded",
        lambda state: 0 < state.totals.captured <= state.totals.refunded,
    ),
    _Rule(
        Status.PARTIALLY_REFUNDED,
        "something is captured, and a part of it is refunded",
        lambda state: 0 < state.totals.refunded < state.totals.captured,
    ),
    _Rule(Status.REVERSED, "the gateway took the payment back before it settled", _saw(FactKind.REVERSED)),
    _Rule(Status.COMPLETED, "something is captured", lambda state: state.totals.captured > 0),
    _Rule(Status.CANCELLED, "it was cancelled", _saw(FactKind.CANCELLED)),
    _Rule(Status.FAILED, "it failed for good; a failed attempt is not enough", _saw(FactKind.FAILED)),
    _Rule(Status.AUTHORIZED, "an amount is authorized", lambda state: state.totals.authorized > 0),
    _Rule(Status.PROCESSING, "the gateway works on it", _saw(FactKind.PROCESSING)),
    _Rule(Status.PENDING_APPROVAL, "a person submitted it and another has to approve", lambda s: s.awaiting_approval),
    _Rule(Status.PENDING, "nothing of the above", lambda _: True),
)
"""The rules of `domain.payment.status_of` in words, in order of precedence, each beside what it is checked with."""

ANOMALIES = {
    "captured_after_failed": "Money moved although the gateway had said that the payment failed. The money counts.",
    "captured_after_cancelled": "Money moved although the payment was cancelled. The money counts.",
    "captured_above_amount": "More was captured than was agreed.",
    "refunded_and_disputed": "A refund was paid and a dispute lost: the customer may have the money twice.",
    "currency_mismatch": "A fact in another currency than the payment's. It moves nothing.",
    "incomplete_fact": "A fact without the amount or the reference that its kind needs. It moves nothing.",
    "event_id_conflict": "An event id came again with other content. The second one moves nothing.",
}

OUTCOMES = {
    "succeeded": "It was done; `status` and the amounts say how the payment stands now.",
    "refused": "Nothing was done; `code`, `message` and `field` say why.",
    "failed": "The gateway gave a definite no, or was never reached.",
    "unknown": "The gateway may or may not have done it. The payment is read back until that is known.",
}


def render_lifecycle(needs: dict[str, CommandNeeds]) -> str:
    """Write the document. `needs` holds every kind of command."""
    sections = (_introduction(), _states(), _transitions(), _facts(), _operations(), _commands(needs), _events())
    return "\n".join((*sections, _anomalies()))


def _introduction() -> str:
    return f"""# The lifecycle of a payment

<!-- Made from the code by: {DOCUMENT_COMMAND} > docs/lifecycle.md -->

A payment is the set of facts that its gateway told about it. Its status and its amounts are derived from that set, so
neither the order in which facts arrive nor their repetition makes a difference. Every table on this page is made from
the rules themselves: the transitions and effects were found by folding small sets of facts, of a payment of
{TERMS.amount_minor} minor units. Facts of one kind and of different amounts are about different captures or refunds.
"""


def _states() -> str:
    states = explored_states()
    for state in [*states.values(), PaymentState(awaiting_approval=True)]:
        said = next(rule.status for rule in RULES if rule.holds(state))
        if said is not status_of(state):
            raise InvariantViolated(f"the rules in words say {said} and the code says {status_of(state)}")
    smallest: dict[Status, str] = {Status.PENDING_APPROVAL: "`submit_manual_payment`, and no decision yet"}
    for names, state in states.items():
        smallest.setdefault(status_of(state), _names(names) or "none")
    rows = [(f"`{rule.status}`", rule.says, smallest[rule.status]) for rule in RULES]
    return f"""## States

The first rule that holds gives the status.

{_table(("Status", "Given when", "The fewest facts that give it"), rows)}"""


def _transitions() -> str:
    usual: dict[tuple[Status, Status], list[FactKind]] = {}
    others: dict[tuple[Status, Status], list[FactKind]] = {}
    for before, after, kind, is_usual in transitions((*explore(), *explore_decisions())):
        (usual if is_usual else others).setdefault((before, after), []).append(kind)
    edges = [
        f"    {before} --> {after}: {_kinds(kinds)}" for (before, after), kinds in sorted(usual.items(), key=_place)
    ]
    rows = [
        (f"`{before}`", f"`{after}`", ", ".join(f"`{kind}`" for kind in _ordered(kinds)))
        for (before, after), kinds in sorted(others.items(), key=_place)
    ]
    diagram = "\n".join(("stateDiagram-v2", "    [*] --> pending", "    [*] --> pending_approval", *edges))
    return f"""## Transitions

An arrow bears the facts that lead along it. `[*] --> pending_approval` is a manual payment.

```mermaid
{diagram}
```

These happen only when a fact comes after others that had waited for it, or that it contradicts:

{_table(("From", "To", "By"), rows)}"""


_CONTEXTS: dict[FactKind, tuple[tuple[str, ...], ...]] = {
    FactKind.CAPTURED: ((), ("authorized 1000",), ("refunded 400",), ("dispute_lost 1000",)),
    FactKind.REFUNDED: ((), ("captured 1000",), ("captured 1000", "refund_pending 400")),
    FactKind.REFUND_FAILED: ((), ("captured 1000", "refund_pending 400"), ("captured 1000", "refunded 400")),
    FactKind.DISPUTE_WON: ((), ("captured 1000", "dispute_opened 1000")),
    FactKind.DISPUTE_LOST: ((), ("captured 1000",), ("captured 1000", "dispute_opened 1000")),
}
"""After what a kind is shown; the others are shown at first and after a capture."""


def _facts() -> str:
    rows = []
    for kind in FactKind:
        name = next(name for name, fact in FACTS.items() if fact.kind is kind)
        carries = [word for word, needed in (("amount", NEEDS_AMOUNT), ("reference", NEEDS_MOVEMENT)) if kind in needed]
        for given in _CONTEXTS.get(kind, ((), ("captured 1000",))):
            cells = _effect_cells(effect_of(state_of(given), name))
            rows.append((f"`{name}`", " and ".join(carries), _names(given) or "nothing", *cells))
    titles = ("Fact", "Must carry", "After", "Status", "Amounts", "Receivable from the gateway", "Events")
    return f"""## Facts and their effects

What one further fact does, after nothing or after other facts. A refund or dispute that comes before its capture does
nothing yet: it waits, and takes effect with the capture.

{_table(titles, rows)}"""


def _effect_cells(effect: Effect) -> tuple[str, str, str, str]:
    status = f"`{effect.after}`" if effect.after is not effect.before else "stays"
    amounts = ", ".join(f"{name} {change:+}" for name, change in effect.amounts.items())
    postings = ", ".join(f"`{cause}` {amount:+}" for cause, amount in effect.postings.items())
    return status, amounts, postings, ", ".join(f"`{one.type}`" for one in effect.events)


def _operations() -> str:
    rows = [
        (f"`{operation}`", *("yes" if status in OPERATIONS[operation] else "" for status in Status))
        for operation in Operation
    ]
    return f"""## Operations

Everything that has no "yes" here is refused with `operation_not_allowed`, which names the operation and the status.

{_table(("Operation", *(f"`{status}`" for status in Status)), rows)}"""


def _commands(needs: dict[str, CommandNeeds]) -> str:
    outcomes = get_args(CommandResult.model_fields["outcome"].annotation)
    if set(outcomes) != OUTCOMES.keys():
        raise InvariantViolated(f"the outcomes in words are not those of the results: {outcomes}")
    kinds = {model.model_fields["kind"].default: model for model in get_args(Command)}
    if kinds.keys() != needs.keys():
        raise InvariantViolated(f"kinds of commands without needs, or the reverse: {kinds.keys() ^ needs.keys()}")
    rows = [
        (
            f"`{kind}`",
            _first_sentence(model.__doc__ or ""),
            "payment" if issubclass(model, PaymentCommandBase) else "account",
            "yes" if kind in set(Operation) else "",
            f"`{needs[kind].capability}`" if needs[kind].capability else "",
            ", ".join(outcomes if needs[kind].asks_gateway else outcomes[:2]),
        )
        for kind, model in kinds.items()
    ]
    titles = ("Command", "What it does", "About a", "Status checked", "Capability of the gateway", "Outcomes")
    meanings = _table(("Outcome", "Meaning"), [(f"`{outcome}`", OUTCOMES[outcome]) for outcome in outcomes])
    return f"""## Commands

A command gets one final result. A gateway without the capability refuses the command with `capability_missing`.

{_table(titles, rows)}
{meanings}"""


def _events() -> str:
    first: dict[str, tuple[int, Explored]] = {}
    for one in explore():
        for milestone in one.effect.events:
            first.setdefault(milestone.type, (milestone.rank, one))
    if unexplained := EVENT_TYPES - first.keys() - {CREATED}:
        raise InvariantViolated(f"no fact leads to the events {sorted(unexplained)}")
    rows = [("0", f"`{CREATED}`", "the payment is recorded", "")]
    for kind, (rank, one) in sorted(first.items(), key=lambda item: (item[1][0], item[0])):
        after = f" after {_names(one.given)}" if one.given else ""
        rows.append((str(rank), f"`{kind}`", f"`{one.fact}`{after}", _passed_by(kind, one)))
    return f"""## Domain events

Every change of status and of an amount is told, each step once, with a `sequence` that grows by one per payment. Steps
that one fact completes are told in the order of their place. A step that the payment has moved past already is told
with `superseded: true`. On the topic the type has the prefix `{EVENT_TYPE_PREFIX}`.

{_table(("Place", "Event", "First told with", "Superseded unless the status is"), rows)}"""


def _passed_by(kind: str, one: Explored) -> str:
    milestone = next(milestone for milestone in one.effect.events if milestone.type == kind)
    current = [status for status in Status if not is_superseded(milestone, status)]
    return f"`{current[0]}`" if len(current) == 1 else ""


def _anomalies() -> str:
    found: dict[str, str] = {}
    for one in explore():
        for milestone in one.effect.events:
            if milestone.type == ANOMALY:
                found.setdefault(milestone.reference, _names((*one.given, one.fact)))
    if found.keys() != ANOMALIES.keys():
        raise InvariantViolated(f"anomalies without words, or the reverse: {sorted(found.keys() ^ ANOMALIES.keys())}")
    rows = [(f"`{reason}`", says, found[reason]) for reason, says in ANOMALIES.items()]
    return f"""## Anomalies

What should not happen and did is told as `{ANOMALY}`, once for each reason; the reason is the event's `reference`.

{_table(("Reason", "Meaning", "The fewest facts that give it"), rows)}"""


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].removesuffix(".") + "."


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _ordered(kinds: Iterable[FactKind]) -> list[FactKind]:
    present = set(kinds)
    return [kind for kind in FactKind if kind in present]


def _kinds(kinds: Iterable[FactKind]) -> str:
    return ", ".join(_ordered(kinds))


def _place(item: tuple[tuple[Status, Status], list[FactKind]]) -> tuple[int, int]:
    order = list(Status)
    return order.index(item[0][0]), order.index(item[0][1])


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
