"""Shared by the tests of replay: a pipeline at rest, replayed by the gateway that it has or by another."""

from dataclasses import replace

from sqlalchemy import text

from bootstrap.clock import system_clock
from services.gateways import ConnectorSource
from services.replay.books import Part
from services.replay.report import ReplayReport
from services.replay.run import ReplaySource, replay
from services.replay.scope import ReplayRequest
from storage.unit_of_work import Database
from tests.integration.services.audited_pipeline import Pipeline, TalkativeGateway
from tests.integration.services.spoiled_tables import WITHOUT_GUARDS


def source_of(pipeline: Pipeline, gateways: ConnectorSource | None = None) -> ReplaySource:
    """Where a replay of this pipeline reads."""
    kafka = pipeline.settings.kafka
    return ReplaySource(
        bootstrap_servers=kafka.bootstrap_servers,
        topic_prefix=kafka.topic_prefix,
        database=pipeline.database,
        gateways=gateways or TalkativeGateway(),
        clock=system_clock,
    )


async def replayed(
    pipeline: Pipeline, gateways: ConnectorSource | None = None, *, keep: bool = False, **wanted: object
) -> ReplayReport:
    """Replay what is wanted."""
    request = replace(ReplayRequest(), **wanted)  # type: ignore[arg-type]  # the fields' types are the caller's care
    return await replay(source_of(pipeline, gateways), request, keep=keep)


def named(report: ReplayReport) -> set[tuple[str | None, Part, str]]:
    """What differs."""
    return {(each.payment_id, each.part, each.name) for each in report.differences.kept}


async def spoil(database: Database, statement: str) -> None:
    """Change the live tables by hand, past every guard."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(text(WITHOUT_GUARDS))
        await transaction.connection.execute(text(statement))
