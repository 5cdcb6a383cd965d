"""Under which id and as what a fact is recorded: hints apart from proven facts, and contradictions apart from both."""

from dataclasses import replace

from domain.facts import Fact, FactKind, Trust
from domain.payment import EVENT_ID_CONFLICT


def as_recorded(fact: Fact) -> Fact:
    """The fact as the inbox has it: a hint under an id of its own, so that it cannot take a proven fact's place."""
    if fact.trust is not Trust.HINT:
        return fact
    return replace(fact, gateway_event_id=f"hint:{fact.gateway_event_id}")


def contradicts(fact: Fact, known_digest: str) -> bool:
    """Whether a proven fact says something else than the one its event id is known for."""
    return fact.trust is Trust.SIGNED and fact.content_digest() != known_digest


def conflict_event_id(fact: Fact) -> str:
    """The id under which a fact is recorded whose own event id was used before with other content."""
    return f"{fact.gateway_event_id}#conflict-{fact.content_digest()[:12]}"


def as_conflict(fact: Fact) -> Fact:
    """The same event id with other content: recorded beside the first, as an anomaly that moves no money."""
    return replace(fact, kind=FactKind.IGNORED, gateway_event_id=conflict_event_id(fact), reason=EVENT_ID_CONFLICT)
