"""Rebuild books in a shadow: verify raw callbacks again, and apply what they say by the code that applies live facts.

A callback is judged at the time at which it was received, so that a signature that was fresh then is fresh now. What
cannot be proven any more, because a secret was changed since, is taken as it was stated when it came: by the topic of
facts, or else by the inbox. How often that was so is counted.
"""

import contextlib
from collections.abc import Callable, Sequence

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import MalformedPayload, PaystreamError
from domain.facts import Fact
from services.apply_events import ReceivedFact
from services.audit.topic_reader import Position, TopicReader, TopicRecord, position_in
from services.gateways import ConnectorSource
from services.recorded_facts import as_recorded
from services.replay.live_books import KnownFact, LiveBooks
from services.replay.report import ReplayFigures
from services.replay.scope import ReplayRequest
from services.replay.shadow_books import ShadowBooks
from services.verify_webhooks import verify_webhook
from storage.inbox import FactKey, key_of
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS
from topics.gateway_events import GatewayEvent
from topics.message import header
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook

Progress = Callable[[int], None]


class Rebuild:
    """One rebuild: the order of its steps is that of its methods."""

    def __init__(
        self,
        request: ReplayRequest,
        topics: TopicReader,
        gateways: ConnectorSource,
        live: LiveBooks,
        shadow: ShadowBooks,
        figures: ReplayFigures,
    ) -> None:
        self._request = request
        self._topics = topics
        self._gateways = gateways
        self._live = live
        self._shadow = shadow
        self._figures = figures

    async def seed_payments(self, progress: Progress) -> None:
        """Record the payments that the request is about, as they were created."""
        async for page in self._live.payment_pages():
            await self._shadow.seed(page)
            progress(self._shadow.payments)

    async def replay_callbacks(self, progress: Progress) -> None:
        """Verify every callback again, and apply what it says."""
        read = 0
        async for chunk in self._topics.chunks(RAW_WEBHOOKS, self._live.coverage.ranges):
            await self._replay(chunk)
            read += len(chunk)
            progress(read)

    async def take_what_was_stated(self) -> None:
        """For callbacks that are not proven now: find what was said of them when they came."""
        if not self._figures.unproven:
            return
        await self._read_statements(GATEWAY_EVENTS, "stated")
        await self._read_statements(REJECTED_WEBHOOKS, "rejected")
        async for page in self._shadow.unexplained():
            stated = await self._live.stored_at(page)
            positions = {(one.raw_partition, one.raw_offset) for one in stated}
            self._figures.stated_in_books += len(positions)
            self._figures.unexplained += len(page) - len(positions)
            await self._take(stated)
        fates = await self._shadow.fates()
        self._figures.stated, self._figures.rejected = fates["stated"], fates["rejected"]

    async def finish(self) -> None:
        """Apply what was put off."""
        await self._shadow.apply_deferred()
        self._figures.payments = self._shadow.payments
        self._figures.facts_from_books = self._shadow.stored_facts

    async def _replay(self, chunk: Sequence[TopicRecord]) -> None:
        facts: list[ReceivedFact] = []
        unproven: list[Position] = []
        for record in chunk:
            account = header(record.headers, "ps_account")
            if self._request.account is not None and account not in {None, self._request.account}:
                continue
            self._figures.callbacks += 1
            found = await self._verify(record)
            if found is None:
                unproven.append(record.position)
            else:
                facts += found
        if unproven:
            await self._shadow.note_unproven(unproven)
        await self._take(facts)

    async def _verify(self, record: TopicRecord) -> list[ReceivedFact] | None:
        """What a callback says; nothing of one that nobody can read, None of one that is not proven now."""
        try:
            webhook = RawWebhook.from_record(record.value or b"", record.headers)
        except MalformedPayload:
            self._figures.unreadable += 1
            return []
        try:
            verdict = await verify_webhook(self._gateways, webhook)
        except (SQLAlchemyError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - counted by its name; live, the record would be a dead letter
            verdict = error if isinstance(error, PaystreamError) else PaystreamError("", code=type(error).__name__)
        if isinstance(verdict, PaystreamError):
            self._figures.unproven[verdict.code] = self._figures.unproven.get(verdict.code, 0) + 1
            return None
        self._figures.proven += 1
        return [_at(event.to_fact(), record.position) for event in verdict]

    async def _take(self, facts: Sequence[ReceivedFact]) -> None:
        """Apply facts that are new; put off those that the live books know from another callback, or from elsewhere."""
        known = await self._live.known({_key(one.fact) for one in facts})
        facts, owners = await self._in_scope(facts, known)
        if not facts:
            return
        await self._shadow.seed(owners)
        repeats = [one for one in facts if self._is_repeat(one, known.get(_key(one.fact)))]
        self._figures.facts_replayed += len(facts)
        self._figures.repeats += len(repeats)
        if repeats:
            await self._shadow.defer(repeats)
        later = set(map(id, repeats))
        await self._shadow.apply([one for one in facts if id(one) not in later])

    async def _in_scope(
        self, facts: Sequence[ReceivedFact], known: dict[FactKey, KnownFact]
    ) -> tuple[Sequence[ReceivedFact], set[str]]:
        """The facts that the request is about, and the payments that they may belong to."""
        names = {(one.fact.gateway, one.fact.account, name) for one in facts for name in one.fact.references}
        by_name = await self._live.owners(names)
        wanted: list[ReceivedFact] = []
        owners: set[str] = set()
        for one in facts:
            fact, record = one.fact, known.get(_key(one.fact))
            named = {by_name.get((fact.gateway, fact.account, name)) for name in fact.references} - {None}
            # What a fact claims counts only where nobody has its names.
            about = {*(named or {fact.payment_id}), None if record is None else record.payment_id}
            if self._request.payment_id in {None, *about}:
                wanted.append(one)
                owners |= {payment_id for payment_id in about if payment_id is not None}
        return wanted, owners if self._request.payment_id is None else {self._request.payment_id}

    def _is_repeat(self, one: ReceivedFact, known: KnownFact | None) -> bool:
        """Whether the live books have the fact from another callback of this replay: that one comes first here too."""
        if known is None or known.position == (one.raw_partition, one.raw_offset):
            return False
        return self._live.coverage.covers(known.position)

    async def _read_statements(self, spec: TopicSpec, fate: str) -> None:
        """Read what the verifying agent wrote of the callbacks that are unproven now."""
        since = self._request.since
        firsts = {} if since is None else await self._topics.offsets_at(spec, since)
        ranges = {
            number: (max(first, firsts.get(number, first)), end)
            for number, (first, end) in self._topics.ranges(spec).items()
        }
        async for chunk in self._topics.chunks(spec, ranges):
            said = {record.position: position_in(record.headers, "ps_raw") for record in chunk}
            positions = sorted({each for each in said.values() if each is not None})
            unproven = await self._shadow.say_fate(positions, fate) if positions else set()
            if fate == "stated":
                await self._take(_stated([one for one in chunk if said[one.position] in unproven]))


def _stated(records: Sequence[TopicRecord]) -> list[ReceivedFact]:
    """The facts of records of their topic. What cannot be read there was a dead letter, and is none."""
    found = []
    for record in records:
        position = position_in(record.headers, "ps_raw")
        with contextlib.suppress(ValidationError):
            event = GatewayEvent.model_validate_json(record.value or b"")
            found.extend([] if position is None else [_at(event.to_fact(), position)])
    return found


def _at(fact: Fact, position: Position) -> ReceivedFact:
    return ReceivedFact(fact=fact, raw_partition=position[0], raw_offset=position[1])


def _key(fact: Fact) -> FactKey:
    return key_of(as_recorded(fact))
