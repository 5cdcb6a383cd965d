"""When which fault happens: a pure function of the seed.

The first faults deal out every kind once, whatever the seed, so that a short run sees all of them; after that every
pair of kind and target is dealt out in turn. A longer run with the same seed begins with the same faults.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

WARM_UP_SECONDS = 2.0
GAP_SECONDS = (4.0, 12.0)
REST_SECONDS = 2.0
"""How long a target is left alone after a fault, so that it can be seen to come back."""


class FaultKind(StrEnum):
    """What is done to a target."""

    KILL = "kill"
    TERMINATE = "terminate"
    PAUSE = "pause"
    FILL_DISK = "fill_disk"
    CUT = "cut"
    SILENCE = "silence"
    GATEWAY_TIMEOUT = "gateway_timeout"
    GATEWAY_REPEAT = "gateway_repeat"
    GATEWAY_ERROR = "gateway_error"
    JOIN_AND_LEAVE = "join_and_leave"
    JOIN_AND_DIE = "join_and_die"
    SKEW_TIME = "skew_time"


EXPLANATIONS = {
    FaultKind.KILL: "SIGKILL; started again after the time given",
    FaultKind.TERMINATE: "asked to end in good order; started again after the time given",
    FaultKind.PAUSE: "SIGSTOP to the process and its children, then SIGCONT",
    FaultKind.FILL_DISK: "no byte more may be written to the broker's log directory",
    FaultKind.CUT: "every connection is dropped, and new ones are refused",
    FaultKind.SILENCE: "connections stay open and nothing passes",
    FaultKind.GATEWAY_TIMEOUT: "the gateway hears and acts, and its answers never arrive",
    FaultKind.GATEWAY_REPEAT: "requests reach the gateway twice",
    FaultKind.GATEWAY_ERROR: "the gateway answers 503 and does nothing",
    FaultKind.JOIN_AND_LEAVE: "one more worker joins and later leaves in good order: two rebalances",
    FaultKind.JOIN_AND_DIE: "one more worker joins and is later killed: two rebalances",
    FaultKind.SKEW_TIME: "callbacks tell of event times that lie days back or seconds ahead",
}

APPLICATION = ("ingress", "worker-1", "worker-2", "relay-1", "relay-2", "settle")
SERVERS = ("kafka", "postgres")
EXTRA_WORKER = "worker-3"
LINKS = ("kafka-link", "postgres-link")
GATEWAY_LINKS = ("stripe-link", "razorpay-link", "square-link")
FAULTY_GATEWAYS = ("stripe", "square")
"""The local gateways that can be told to fail by themselves."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at_seconds` after the start of the run, for `duration_seconds`."""

    at_seconds: float
    kind: FaultKind
    target: str
    duration_seconds: float

    @property
    def end_seconds(self) -> float:
        """When it is over."""
        return self.at_seconds + self.duration_seconds

    def __str__(self) -> str:
        """Write it as a line of the schedule."""
        return f"{self.at_seconds:7.1f} s  {self.kind:<16} {self.target:<14} for {self.duration_seconds:4.1f} s"


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a kind may be done to, and between how many and how many seconds it lasts."""

    targets: tuple[str, ...]
    shortest_seconds: float
    longest_seconds: float


_RULES = {
    FaultKind.KILL: _Rule((*APPLICATION, *SERVERS), 0.0, 4.0),
    FaultKind.TERMINATE: _Rule((*APPLICATION, *SERVERS), 0.0, 4.0),
    # Long enough, at times, for a consumer to be given up by its group and to wake up as a zombie.
    FaultKind.PAUSE: _Rule((*APPLICATION, *SERVERS), 1.0, 14.0),
    FaultKind.FILL_DISK: _Rule(("kafka",), 3.0, 7.0),
    FaultKind.CUT: _Rule((*LINKS, *GATEWAY_LINKS), 0.0, 4.0),
    FaultKind.SILENCE: _Rule((*LINKS, *GATEWAY_LINKS), 2.0, 12.0),
    FaultKind.GATEWAY_TIMEOUT: _Rule(GATEWAY_LINKS, 3.0, 9.0),
    FaultKind.GATEWAY_REPEAT: _Rule(FAULTY_GATEWAYS, 3.0, 8.0),
    FaultKind.GATEWAY_ERROR: _Rule(FAULTY_GATEWAYS, 2.0, 5.0),
    FaultKind.JOIN_AND_LEAVE: _Rule((EXTRA_WORKER,), 8.0, 16.0),
    FaultKind.JOIN_AND_DIE: _Rule((EXTRA_WORKER,), 8.0, 16.0),
    FaultKind.SKEW_TIME: _Rule(("callbacks",), 5.0, 15.0),
}


def make_schedule(seed: int, minutes: float) -> tuple[Fault, ...]:
    """Return the faults of a run, by time; all of them are over when the minutes are."""
    chance = random.Random(seed)  # noqa: S311 - a schedule to repeat, not a secret
    free_at: dict[str, float] = {}
    faults: list[Fault] = []
    at_seconds, end_seconds = WARM_UP_SECONDS, minutes * 60
    for kind, target in _deal(chance):
        rule = _RULES[kind]
        duration = round(chance.uniform(rule.shortest_seconds, rule.longest_seconds), 1)
        at_seconds = round(max(at_seconds, free_at.get(target, 0.0)), 1)
        # The gap is drawn in any case, so that what is left out at the end changes nothing before it.
        gap = chance.uniform(*GAP_SECONDS)
        fault = Fault(at_seconds, kind, target, duration)
        if at_seconds >= end_seconds:
            return tuple(faults)
        if fault.end_seconds <= end_seconds:
            faults.append(fault)
            free_at[target] = fault.end_seconds + REST_SECONDS
        at_seconds += gap
    raise AssertionError("dealing never ends")


def _deal(chance: random.Random) -> Iterator[tuple[FaultKind, str]]:
    """Every kind once, each with some target; then every pair, again and again."""
    kinds = list(FaultKind)
    chance.shuffle(kinds)
    for kind in kinds:
        yield kind, chance.choice(_RULES[kind].targets)
    pairs = [(kind, target) for kind, rule in _RULES.items() for target in rule.targets]
    while True:
        chance.shuffle(pairs)
        yield from pairs
