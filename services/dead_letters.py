"""Dead letters and rejected callbacks in people's hands: look at them, put them back, or give them up.

The records lie on Kafka, the decisions in PostgreSQL. A record is put back while the transaction that records the
decision is open, and the decision's key keeps anybody else from doing the same meanwhile. If the process dies between
the two, the record is back and the decision is not: deciding again puts a second copy there, and a second copy of
anything on our topics has no second effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.errors import Forbidden, InvalidInput, NotFound, Refused
from services.audit.topic_reader import TopicRecord
from services.broker import Broker, ReadsRecords
from services.parked_records import (
    SOURCES,
    ParkedRecord,
    Place,
    dead_letter_topic,
    parked_topic,
    read_parked,
    retry_headers,
    source_headers,
)
from services.topic_tail import Edges, read_back
from storage.dead_letters import DeadLetterDecisions, Decision, DecisionKind, RecordPlace
from storage.unit_of_work import Database, Transaction
from topics.catalog import REJECTED_WEBHOOKS
from topics.spec import TopicSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whose records somebody may see and decide about.

    `account` is None for whoever may see every account's. `everything` is a database without a scope, for operators
    alone: they also see records of which nobody can say whose they are.
    """

    account: str | None
    database: Database
    everything: Database | None = None

    def reaches(self, owner: str | None) -> bool:
        """Say whether the records of an account, or of nobody, may be seen."""
        if owner is None:
            return self.everything is not None
        return self.account is None or owner == self.account

    def database_for(self, owner: str | None) -> Database:
        """Where decisions about such records are kept in reach."""
        return self.database if owner is not None or self.everything is None else self.everything


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedFilter:
    """What a record must be like; None asks for nothing. `unattributed` asks for those of nobody, or of somebody.

    `reason` is the name of the error, or the code of the rejection. `parked_from` is within the range, `parked_before`
    is not.
    """

    gateway: str | None = None
    reason: str | None = None
    unattributed: bool | None = None
    decided: bool | None = None
    parked_from: datetime | None = None
    parked_before: datetime | None = None

    def wants(self, parked: ParkedRecord, owner: str | None) -> bool:
        """Say whether a record is as asked for; what was decided is not known yet."""
        return (
            self.unattributed in {None, owner is None}
            and self.gateway in {None, parked.gateway}
            and self.reason in {None, parked.reason}
            and self._is_in_time(parked.parked_at)
        )

    def _is_in_time(self, parked_at: datetime | None) -> bool:
        if self.parked_from is None and self.parked_before is None:
            return True
        if parked_at is None:
            return False
        is_early = self.parked_from is not None and parked_at < self.parked_from
        is_late = self.parked_before is not None and parked_at >= self.parked_before
        return not (is_early or is_late)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked record, whose it is (None: nobody can say), and what was decided about it."""

    record: ParkedRecord
    account: str | None
    decision: Decision | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRecord:
    """A parked record in hand, to be decided about: as it lies on its topic, as people see it, and whose it is."""

    record: TopicRecord
    parked: ParkedRecord
    owner: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedPage:
    """Records, newest first, and where to go on; None when everything was seen."""

    items: list[Parked]
    edges: Edges | None


class DeadLetterDesk:
    """Where people look at parked records and decide. Every method raises Unavailable without an answering broker."""

    def __init__(self, broker: Broker, clock: Callable[[], datetime]) -> None:
        self._broker = broker
        self._clock = clock

    async def find(
        self,
        access: Access,
        topics: Sequence[TopicSpec],
        wanted: ParkedFilter,
        *,
        limit: int,
        edges: Edges | None = None,
    ) -> ParkedPage:
        """Return a page of parked records. It may hold fewer than `limit` although there are more.

        Raises Forbidden when records of nobody are asked for by somebody who may not see them.
        """
        taken, edges = await self.take_page(access, topics, wanted, limit=limit, edges=edges)
        items = await _with_decisions(access, [(one.owner, one.parked) for one in taken])
        return ParkedPage(items=items, edges=edges)

    async def take_page(
        self,
        access: Access,
        topics: Sequence[TopicSpec],
        wanted: ParkedFilter,
        *,
        limit: int,
        edges: Edges | None = None,
    ) -> tuple[list[TakenRecord], Edges | None]:
        """Return a page of parked records with their bytes, and where to go on. Raises Forbidden as `find` does."""
        if wanted.unattributed and access.everything is None:
            raise Forbidden("records that belong to no account are for operators", code="operators_only")
        accounts = await _accounts(access)

        def keep(spec: TopicSpec, record: TopicRecord) -> TakenRecord | None:
            parked = read_parked(spec, record)
            owner = _owner(access, accounts, parked)
            is_wanted = access.reaches(owner) and wanted.wants(parked, owner)
            return TakenRecord(record=record, parked=parked, owner=owner) if is_wanted else None

        async with self._broker.open(topics) as reader:
            tail = await read_back(reader, topics, keep, limit=limit, edges=edges)
        items = tail.items
        if wanted.decided is not None:
            known = await _decisions(access, [(one.owner, one.parked) for one in items])
            items = [one for one in items if (_key(one.parked.place) in known) == wanted.decided]
        return items, tail.edges

    async def show(self, access: Access, place: Place) -> Parked:
        """Return one parked record. Raises NotFound, for what is not there and for what may not be seen."""
        taken = await self._take(access, place)
        return (await _with_decisions(access, [(taken.owner, taken.parked)]))[0]

    async def put_back(self, access: Access, place: Place, *, actor: str, request_id: str) -> Parked:
        """Put a record back onto the topic it came from, byte for byte, marked as a retry, and record that.

        Raises NotFound; Refused when that was done before.
        """
        return await self.put_back_taken(access, await self._take(access, place), actor=actor, request_id=request_id)

    async def put_back_taken(self, access: Access, taken: TakenRecord, *, actor: str, request_id: str) -> Parked:
        """Put back a record that is in hand. Raises Refused when that was done before."""
        record, owner, parked = taken.record, taken.owner, taken.parked
        place = parked.place
        spec, source = parked_topic(place.topic), SOURCES[place.topic]
        kind: DecisionKind = "replayed" if spec == REJECTED_WEBHOOKS else "retried"
        now = self._clock()
        async with access.database_for(owner).transaction(actor, request_id) as transaction:
            decisions = await _decide(transaction, _decision(parked, owner, kind, actor, now))
            partition, offset = await self._broker.send_and_wait(
                source,
                partition=_same_partition(parked, source),
                key=record.key,
                value=record.value,
                headers=[*source_headers(record, spec), *retry_headers(record, place, actor, now)],
            )
            await decisions.note_sent(_key(place), source.name, partition, offset)
            found = await decisions.of([_key(place)])
        return Parked(record=parked, account=owner, decision=found[_key(place)])

    async def discard(self, access: Access, place: Place, reason: str, *, actor: str, request_id: str) -> Parked:
        """Record that nothing more will be done about a dead letter, and why; the record stays where it is.

        Raises InvalidInput without a reason, NotFound, Refused when something was decided before.
        """
        check_reason(reason)
        dead_letter_topic(place.topic)
        taken = await self._take(access, place)
        return await self.discard_taken(access, taken, reason, actor=actor, request_id=request_id)

    async def discard_taken(
        self, access: Access, taken: TakenRecord, reason: str, *, actor: str, request_id: str
    ) -> Parked:
        """Discard a dead letter that is in hand. Raises Refused when something was decided before."""
        owner, parked = taken.owner, taken.parked
        async with access.database_for(owner).transaction(actor, request_id) as transaction:
            decision = _decision(parked, owner, "discarded", actor, self._clock(), reason)
            await _decide(transaction, decision)
        return Parked(record=parked, account=owner, decision=decision)

    async def _take(self, access: Access, place: Place) -> TakenRecord:
        spec = parked_topic(place.topic)
        accounts = await _accounts(access)
        async with self._broker.open([spec]) as reader:
            record = await _record_at(reader, spec, place)
        if record is not None:
            parked = read_parked(spec, record)
            owner = _owner(access, accounts, parked)
            if access.reaches(owner):
                return TakenRecord(record=record, parked=parked, owner=owner)
        raise NotFound(f"there is no record at {place}", field="offset")


def check_reason(reason: str) -> None:
    """Raise InvalidInput unless somebody says why nothing more is to be done."""
    if not reason.strip():
        raise InvalidInput("say why nothing more is to be done", field="reason")


async def _record_at(reader: ReadsRecords, spec: TopicSpec, place: Place) -> TopicRecord | None:
    first, end = reader.ranges(spec).get(place.partition, (0, 0))
    if not first <= place.offset < end:
        return None
    within = {place.partition: (place.offset, place.offset + 1)}
    found = [record async for chunk in reader.chunks(spec, within) for record in chunk]
    return found[0] if found else None


async def _accounts(access: Access) -> frozenset[str]:
    """The accounts that a record can belong to, as far as it matters to who asks."""
    if access.everything is None:
        return frozenset[str]()
    async with access.everything.transaction() as transaction:
        return await DeadLetterDecisions(transaction.connection).account_names()


def _owner(access: Access, accounts: frozenset[str], parked: ParkedRecord) -> str | None:
    """Whose a record is. What claims an account that nobody has is nobody's."""
    if access.everything is None or parked.claimed_account in accounts:
        return parked.claimed_account
    return None


async def _with_decisions(access: Access, found: Sequence[tuple[str | None, ParkedRecord]]) -> list[Parked]:
    known = await _decisions(access, found)
    return [Parked(record=parked, account=owner, decision=known.get(_key(parked.place))) for owner, parked in found]


async def _decisions(access: Access, found: Sequence[tuple[str | None, ParkedRecord]]) -> dict[RecordPlace, Decision]:
    known: dict[RecordPlace, Decision] = {}
    for of_nobody in {owner is None for owner, _ in found}:
        keys = [_key(parked.place) for owner, parked in found if (owner is None) == of_nobody]
        database = access.database_for(None) if of_nobody else access.database
        async with database.transaction() as transaction:
            known |= await DeadLetterDecisions(transaction.connection).of(keys)
    return known


async def _decide(transaction: Transaction, decision: Decision) -> DeadLetterDecisions:
    decisions = DeadLetterDecisions(transaction.connection)
    if not await decisions.decide(decision):
        known = (await decisions.of([decision.place])).get(decision.place)
        said = "decided about" if known is None else f"{known.kind} by {known.decided_by}"
        raise Refused(f"the record was already {said}", code="already_decided")
    return decisions


def _decision(
    parked: ParkedRecord, owner: str | None, kind: DecisionKind, actor: str, now: datetime, reason: str | None = None
) -> Decision:
    return Decision(
        topic=parked.place.topic,
        partition=parked.place.partition,
        offset=parked.place.offset,
        account=owner,
        kind=kind,
        reason=reason,
        body_digest=parked.body_digest,
        decided_by=actor,
        decided_at=now,
    )


def _same_partition(parked: ParkedRecord, source: TopicSpec) -> int | None:
    """Where the record lay before: its neighbours by key are there. None lets the key decide."""
    partition = parked.source_partition
    return partition if partition is not None and partition < source.partitions else None


def _key(place: Place) -> RecordPlace:
    return (place.topic, place.partition, place.offset)
