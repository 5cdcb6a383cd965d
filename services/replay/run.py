"""`paystream replay`: rebuild in a shadow and compare, or say what would be replayed. Neither changes anything live.

The topics' ends are noted first and the live books are read as of one moment after that. So what comes in meanwhile is
on neither side. A callback that was on the topic then, and not yet in the books, looks like a lost one: on a system
that is running, let the range end some minutes ago.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import text

from domain.errors import NotFound
from services.audit.topic_reader import TopicReader, open_topics
from services.gateways import ConnectorSource
from services.replay.comparison import compare_facts, compare_payments
from services.replay.live_books import SCOPE, LiveBooks
from services.replay.rebuild import Rebuild
from services.replay.report import Differences, ReplayFigures, ReplayReport
from services.replay.scope import COVERED, ReplayRequest, coverage_of
from services.replay.shadow_books import WORK_TABLES, ShadowBooks
from storage.shadow import shadow
from storage.unit_of_work import Database, Transaction
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS

READ_TOPICS = (RAW_WEBHOOKS, GATEWAY_EVENTS, REJECTED_WEBHOOKS)

Report = Callable[[str, int, int | None], None]
"""Told of progress: what is being done, how much of it is done, and of how much, where that is known."""

_ORIGINS = text(
    f"select count(distinct payments.id)::bigint as payments,"  # noqa: S608 - literals
    f" count(inbox.*) filter (where {COVERED})::bigint as callback_facts,"
    " count(inbox.*) filter (where raw_partition is null)::bigint as answer_facts,"
    f" count(inbox.*) filter (where raw_partition is not null and not {COVERED})::bigint as facts_outside_range"
    f" from payments left join inbox on inbox.payment_id = payments.id where {SCOPE}"
)
_CALLBACKS = text(
    f"select distinct raw_partition, raw_offset from inbox where payment_id = :payment_id and {COVERED}"  # noqa: S608 - a literal
    " order by raw_partition, raw_offset limit 100"
)
_PAYMENT = text(
    "select id from payments where id = :payment_id and (cast(:account as text) is null or account = :account)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What a replay would do.

    - `callbacks`: raw callbacks that would be read, by partition; `of_payment`: where those of the one payment lie.
    - `payments`: payments that would be rebuilt. Of their facts `callback_facts` would come from these callbacks;
      `answer_facts` (gateways' answers) and `facts_outside_range` would be taken from the books.
    """

    callbacks: dict[int, tuple[int, int]]
    callback_count: int
    payments: int
    callback_facts: int
    answer_facts: int
    facts_outside_range: int
    of_payment: list[tuple[int, int]]

    def to_dict(self) -> dict[str, object]:
        """The plan as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySource:
    """Where a replay reads: the broker, the environment's prefix, the database, and the accounts' connectors."""

    bootstrap_servers: str
    topic_prefix: str
    database: Database
    gateways: ConnectorSource
    clock: Callable[[], datetime]


async def plan_replay(source: ReplaySource, request: ReplayRequest) -> ReplayPlan:
    """Say what a replay would do. Raises as `replay` does."""
    async with _opened(source, request) as (topics, snapshot):
        coverage = await coverage_of(topics, request)
        values = {**request.values, **coverage.values}
        row = (await snapshot.connection.execute(_ORIGINS, values)).one()
        lying = []
        if request.payment_id is not None:
            lying = [(each[0], each[1]) for each in await snapshot.connection.execute(_CALLBACKS, values)]
        return ReplayPlan(
            callbacks={number: whole for number, whole in coverage.ranges.items() if whole[0] < whole[1]},
            callback_count=coverage.records,
            of_payment=lying,
            **row._mapping,  # noqa: SLF001 - SQLAlchemy's public view of a row
        )


async def replay(
    source: ReplaySource, request: ReplayRequest, *, keep: bool = False, report: Report = lambda *_: None
) -> ReplayReport:
    """Rebuild in a shadow, compare, and drop the shadow unless it is to be kept.

    Raises InvalidInput for a range that is none, NotFound for a payment or a topic that is not there, KafkaError or
    OSError when the broker does not answer, SQLAlchemyError or OSError when the database does not.
    """
    figures, differences = ReplayFigures(), Differences()
    async with (
        _opened(source, request) as (topics, snapshot),
        shadow(source.database, source.clock(), tables=WORK_TABLES, keep=keep) as (name, shadowed),
    ):
        coverage = await coverage_of(topics, request)
        live = LiveBooks(snapshot, coverage, request)
        books = ShadowBooks(shadowed, live, source.clock)
        rebuild = Rebuild(request, topics, source.gateways, live, books, figures)
        await rebuild.seed_payments(lambda done: report("payments recorded", done, None))
        await rebuild.replay_callbacks(lambda done: report("callbacks replayed", done, coverage.records))
        await rebuild.take_what_was_stated()
        await rebuild.finish()
        await compare_payments(
            live, shadowed, differences, lambda done: report("payments compared", done, figures.payments)
        )
        figures.facts_compared = await compare_facts(live, shadowed, request, differences)
    return ReplayReport(figures=figures, differences=differences, schema=name if keep else None)


@asynccontextmanager
async def _opened(source: ReplaySource, request: ReplayRequest) -> AsyncIterator[tuple[TopicReader, Transaction]]:
    request.check()
    async with (
        open_topics(source.bootstrap_servers, source.topic_prefix, READ_TOPICS) as topics,
        source.database.snapshot() as snapshot,
    ):
        if request.payment_id is not None:
            values = {"payment_id": request.payment_id, "account": request.account}
            if (await snapshot.connection.execute(_PAYMENT, values)).first() is None:
                raise NotFound(f"there is no payment {request.payment_id!r}", field="payment_id")
        yield topics, snapshot
