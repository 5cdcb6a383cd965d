"""What an audit found: one result per check, with the offending ids."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

KEPT_VIOLATIONS = 20
"""How many violations of one check are kept; all are counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that should not be: the check it breaks, the id it is about, and what is wrong with it."""

    check: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The outcome of one check.

    - `examined`: how many things were looked at; their kind follows from the description.
    - `violations`: the first of them; `violation_count` is how many there are.
    - `figures`: what else was counted on the way, by name.
    """

    name: str
    description: str
    examined: int
    violations: tuple[Violation, ...]
    violation_count: int
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """True when nothing is wrong."""
        return self.violation_count == 0


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome of every check, in the order in which they ran."""

    checks: tuple[CheckResult, ...]

    @property
    def holds(self) -> bool:
        """True when every check holds."""
        return all(check.holds for check in self.checks)

    def to_json(self) -> str:
        """Write the report as a JSON object: `holds`, and `checks` with the fields of `CheckResult`."""
        checks = [{**asdict(check), "holds": check.holds} for check in self.checks]
        return json.dumps({"holds": self.holds, "checks": checks}, indent=2)


@dataclass(frozen=True, slots=True)
class CheckName:
    """The stable key of a check, and one sentence that says what holds when it does."""

    name: str
    description: str


class Findings:
    """Collects what one check finds."""

    def __init__(self, check: CheckName) -> None:
        self.check = check
        self.examined = 0
        self.figures: Counter[str] = Counter()
        self._kept: list[Violation] = []
        self._count = 0

    def add(self, subject: str, message: str) -> None:
        """Note a violation."""
        if len(self._kept) < KEPT_VIOLATIONS:
            self._kept.append(Violation(self.check.name, subject, message))
        self._count += 1

    def count_unseen(self, count: int) -> None:
        """Count violations that are known only by their number."""
        self._count += count

    def result(self) -> CheckResult:
        """The outcome so far."""
        return CheckResult(
            name=self.check.name,
            description=self.check.description,
            examined=self.examined,
            violations=tuple(self._kept),
            violation_count=self._count,
            figures=dict(self.figures),
        )
