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
from storage.dead_letters import DeadLetterDecisions, Decision, DecisionKind
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
    """What a record must be like; None asks for nothing. `unattributed` asks for those of nobody, or of somebody."""

    gateway: str | None = None
    reason: str | None = None
    unattributed: bool | None = None
    decided: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A parked record, whose it is (None: nobody can say), and what was decided about it."""

    record: ParkedRecord
    account: str | None
    decision: Decision | None


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
        if wanted.unattributed and access.everything is None:
            raise Forbidden("records that belong to no account are for operators", code="operators_only")
        accounts = await _accounts(access)

        def keep(spec: TopicSpec, record: TopicRecord) -> tuple[str | None, ParkedRecord] | None:
            parked = read_parked(spec, record)
            owner = _owner(access, accounts, parked)
            is_wanted = (
                access.reaches(owner)
                and wanted.unattributed in {None, owner is None}
                and wanted.gateway in {None, parked.gateway}
                and wanted.reason in {None, parked.reason}
            )
            return (owner, parked) if is_wanted else None

        async with self._broker.open(topics) as reader:
            tail = await read_back(reader, topics, keep, limit=limit, edges=edges)
        items = await _with_decisions(access, tail.items)
        if wanted.decided is not None:
            items = [item for item in items if (item.decision is not None) == wanted.decided]
        return ParkedPage(items=items, edges=tail.edges)

    async def show(self, access: Access, place: Place) -> Parked:
        """Return one parked record. Raises NotFound, for what is not there and for what may not be seen."""
        _, owner, parked = await self._take(access, place)
        return (await _with_decisions(access, [(owner, parked)]))[0]

    async def put_back(self, access: Access, place: Place, *, actor: str, request_id: str) -> Parked:
        """Put a record back onto the topic it came from, byte for byte, marked as a retry, and record that.

        Raises NotFound; Refused when that was done before.
        """
        record, owner, parked = await self._take(access, place)
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
        if not reason.strip():
            raise InvalidInput("say why nothing more is to be done", field="reason")
        dead_letter_topic(place.topic)
        _, owner, parked = await self._take(access, place)
        async with access.database_for(owner).transaction(actor, request_id) as transaction:
            decision = _decision(parked, owner, "discarded", actor, self._clock(), reason)
            await _decide(transaction, decision)
        return Parked(record=parked, account=owner, decision=decision)

    async def _take(self, access: Access, place: Place) -> tuple[TopicRecord, str | None, ParkedRecord]:
        spec = parked_topic(place.topic)
        accounts = await _accounts(access)
        async with self._broker.open([spec]) as reader:
            record = await _record_at(reader, spec, place)
        if record is not None:
            parked = read_parked(spec, record)
            owner = _owner(access, accounts, parked)
            if access.reaches(owner):
                return record, owner, parked
        raise NotFound(f"there is no record at {place}", field="offset")


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
    known: dict[tuple[str, int, int], Decision] = {}
    for of_nobody in {owner is None for owner, _ in found}:
        keys = [_key(parked.place) for owner, parked in found if (owner is None) == of_nobody]
        database = access.database_for(None) if of_nobody else access.database
        async with database.transaction() as transaction:
            known |= await DeadLetterDecisions(transaction.connection).of(keys)
    return [Parked(record=parked, account=owner, decision=known.get(_key(parked.place))) for owner, parked in found]


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


def _key(place: Place) -> tuple[str, int, int]:
    return (place.topic, place.partition, place.offset)
