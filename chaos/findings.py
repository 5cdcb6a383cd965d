"""What a verdict consists of: figures, and problems with a name, a place and a number."""

from collections import Counter
from dataclasses import dataclass, field

KEPT = 12
"""How many problems of one kind are told; all are counted."""


@dataclass(slots=True)
class Findings:
    """What was found wrong, by kind. `lost` and `doubled` are sums over the kinds that mean so."""

    problems: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts

    def add(self, kind: str, message: str, *, lost: bool = False, doubled: bool = False) -> None:
        """Note a problem."""
        self.counts[kind] += 1
        self.lost += lost
        self.doubled += doubled
        kept = self.problems.setdefault(kind, [])
        if len(kept) < KEPT:
            kept.append(message)
