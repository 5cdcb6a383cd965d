"""What a replay found: where the rebuilt books and the live ones differ, and from what they were rebuilt."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from services.replay.books import Part

KEPT_DIFFERENCES = 500
"""How many differences are kept; all are counted."""

NEXT_STEPS: dict[Part, str] = {
    "fact": (
        "A fact that is only rebuilt was proven by its callback and is not in the books. If the callback was rejected"
        " or is a dead letter, put it back: `paystream dead-letters list --rejected`, `paystream dead-letters list`."
        " If its row was lost, `paystream replay --live` with the same range brings it back. A fact that is only in the"
        " books has no callback that says so: look at who wrote it."
    ),
    "payment": (
        "The payment's row is not what its facts make it. If its facts differ too, mend those first. Otherwise somebody"
        " changed the row: `paystream audit-log` says who; the rebuilt values are the right ones."
    ),
    "ledger": "Postings cannot be changed: post a correction, with the difference as its reason.",
    "settlement": "Hold the recipient's next payout batch until this is explained: it pays what the live entries say.",
    "event": "A consumer was told something else than happened, or was not told: tell it what the rebuilt event says.",
    "refund": "The refund's row is not what its facts make it: see the payment.",
    "dispute": "The dispute's row is not what its facts make it: see the payment.",
}
"""What to do about a difference, by the part of the books that it is in."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not the same: None on the side where it is not there at all."""

    payment_id: str | None
    part: Part
    name: str
    live: object
    rebuilt: object


@dataclass(slots=True)
class Differences:
    """Collects differences, in bounded memory."""

    kept: list[Difference] = field(default_factory=list)
    by_part: Counter[Part] = field(default_factory=Counter)

    def add(self, difference: Difference) -> None:
        """Count a difference, and keep it if it is one of the first."""
        self.by_part[difference.part] += 1
        if len(self.kept) < KEPT_DIFFERENCES:
            self.kept.append(difference)


@dataclass(slots=True)
class ReplayFigures:
    """From what the books were rebuilt.

    - `callbacks`: raw callbacks read; `proven` of them are proven now, `unreadable` were not written by the ingress.
    - `unproven`: why callbacks are not proven now, by code. Of these `stated` were proven when they came, as the topic
      of facts says, `stated_in_books` as only the inbox says, and `rejected` were refused then too. `unexplained` are
      the rest: nothing came of them.
    - `facts_replayed`: facts of callbacks; `repeats` of them are known by an earlier callback.
    - `facts_from_books`: facts that no replayed callback brings: answers of gateways, and callbacks out of the range.
    """

    callbacks: int = 0
    proven: int = 0
    unreadable: int = 0
    unproven: dict[str, int] = field(default_factory=dict)
    stated: int = 0
    stated_in_books: int = 0
    rejected: int = 0
    unexplained: int = 0
    facts_replayed: int = 0
    repeats: int = 0
    facts_from_books: int = 0
    payments: int = 0
    facts_compared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """The outcome of a replay. `schema` is where the rebuilt books are, if they were kept."""

    figures: ReplayFigures
    differences: Differences
    schema: str | None

    @property
    def is_empty(self) -> bool:
        """True when the live books are what their sources make them."""
        return not self.differences.by_part

    def to_json(self) -> str:
        """Write the report as a JSON object."""
        differences = self.differences
        return json.dumps(
            {
                "empty": self.is_empty,
                "figures": asdict(self.figures),
                "difference_count": differences.by_part.total(),
                "differences_by_part": differences.by_part,
                "differences": [asdict(each) for each in differences.kept],
                "next_steps": {part: NEXT_STEPS[part] for part in differences.by_part},
                "schema": self.schema,
            },
            indent=2,
        )
