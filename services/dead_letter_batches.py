"""Many dead letters at once: put back or given up by what they have in common, a bounded number at a time.

Every record is decided about in a transaction of its own, as if somebody had done it by hand. So a batch that is
interrupted has done what it counted, and the same batch again goes on with the rest.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from domain.errors import Refused, Unavailable
from services.dead_letters import Access, DeadLetterDesk, Parked, ParkedFilter, TakenRecord, check_reason
from services.parked_records import Place
from services.topic_tail import Edges
from topics.spec import TopicSpec

PAGE_SIZE = 50
"""How many records are held in memory; each may be as large as a callback may be."""

OutcomeKind = Literal["matched", "retried", "discarded", "already_decided", "failed"]
"""`matched`: would be decided about, in a dry run. `failed`: the broker did not take it; nothing was decided."""

Decide = Callable[[Access, TakenRecord], Awaitable[Parked]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record of a batch."""

    place: Place
    kind: OutcomeKind
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """What was done in one go. `edges` say where to go on; None when everything was seen.

    `stopped` says why the rest was not tried; the same page again goes on where this one ended.
    """

    outcomes: list[Outcome]
    edges: Edges | None
    stopped: str | None = None

    @property
    def counts(self) -> Counter[OutcomeKind]:
        """How many records had each outcome."""
        return Counter(outcome.kind for outcome in self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """What is to be done with each record of a batch, and by whom. Without `decide` it is a dry run."""

    kind: OutcomeKind = "matched"
    decide: Decide | None = None


def retrying(desk: DeadLetterDesk, *, actor: str, request_id: str) -> Decider:
    """Put every record back."""

    async def decide(access: Access, taken: TakenRecord) -> Parked:
        return await desk.put_back_taken(access, taken, actor=actor, request_id=request_id)

    return Decider(kind="retried", decide=decide)


def discarding(desk: DeadLetterDesk, reason: str, *, actor: str, request_id: str) -> Decider:
    """Give every record up, for one reason. Raises InvalidInput without one."""
    check_reason(reason)

    async def decide(access: Access, taken: TakenRecord) -> Parked:
        return await desk.discard_taken(access, taken, reason, actor=actor, request_id=request_id)

    return Decider(kind="discarded", decide=decide)


async def decide_page(
    desk: DeadLetterDesk,
    access: Access,
    topics: Sequence[TopicSpec],
    wanted: ParkedFilter,
    decider: Decider,
    *,
    limit: int,
    edges: Edges | None = None,
) -> BatchPage:
    """Decide about the newest records that are wanted and undecided, at most `limit` and at most a page of them.

    There may be fewer although there are more. Raises Forbidden, and Unavailable when the topics cannot be read.
    """
    undecided = replace(wanted, decided=False)
    taken, following = await desk.take_page(access, topics, undecided, limit=min(limit, PAGE_SIZE), edges=edges)
    outcomes: list[Outcome] = []
    for one in taken:
        outcome = await _decide(access, one, decider)
        outcomes.append(outcome)
        if outcome.kind == "failed":
            return BatchPage(outcomes=outcomes, edges=edges, stopped=outcome.message)
    return BatchPage(outcomes=outcomes, edges=following)


async def _decide(access: Access, taken: TakenRecord, decider: Decider) -> Outcome:
    place = taken.parked.place
    if decider.decide is None:
        return Outcome(place, decider.kind)
    try:
        await decider.decide(access, taken)
    except Refused as error:
        return Outcome(place, "already_decided", error.message)
    except Unavailable as error:
        return Outcome(place, "failed", error.message)
    return Outcome(place, decider.kind)
