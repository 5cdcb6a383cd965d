"""Run the checks: those of the tables in one snapshot, those of the topics against the same snapshot.

An audit tells the truth about a pipeline at rest. What is under way while it runs (a callback not yet verified, a
message not yet relayed) is not lost, but looks the same and is reported.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.audit.command_check import check_commands
from services.audit.event_check import check_events
from services.audit.payment_checks import run_payment_checks
from services.audit.raw_check import check_raw
from services.audit.report import AuditReport, CheckResult
from services.audit.schedule_check import check_schedules
from services.audit.settlement_checks import SETTLEMENT_CHECKS
from services.audit.settlement_topic_checks import check_batches_on_topic, check_entries_on_topic, check_live_windows
from services.audit.table_checks import TABLE_CHECKS, run_table_check
from services.audit.topic_reader import Topics, open_topics
from storage.unit_of_work import Database
from topics.catalog import TOPICS

TopicCheck = Callable[[Topics, AsyncConnection, datetime], Awaitable[CheckResult]]

TOPIC_CHECKS: tuple[TopicCheck, ...] = (
    check_raw,
    check_commands,
    check_events,
    check_entries_on_topic,
    check_batches_on_topic,
    check_live_windows,
)
AUDITED_TOPICS = tuple(spec for spec in TOPICS if not spec.internal)


async def audit(database: Database, bootstrap_servers: str, topic_prefix: str = "") -> AuditReport:
    """Run every check. Changes nothing, and needs memory for positions and ids, not for what they stand for.

    Raises NotFound when a topic is missing, KafkaError or OSError when the broker does not answer, and SQLAlchemyError
    or OSError when the database does not.
    """
    async with (
        open_topics(bootstrap_servers, topic_prefix, AUDITED_TOPICS) as topics,
        _snapshot(database) as (connection, now),
    ):
        results = await _check_tables(connection)
        results += [await check(topics, connection, now) for check in TOPIC_CHECKS]
    return AuditReport(tuple(results))


async def audit_database(database: Database) -> AuditReport:
    """Run the checks that need no broker. Raises SQLAlchemyError or OSError when the database does not answer."""
    async with _snapshot(database) as (connection, _):
        return AuditReport(tuple(await _check_tables(connection)))


async def _check_tables(connection: AsyncConnection) -> list[CheckResult]:
    results = await run_payment_checks(connection)
    results += [await run_table_check(connection, check) for check in (*TABLE_CHECKS, *SETTLEMENT_CHECKS)]
    return [*results, await check_schedules(connection)]


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
    """One view of the tables for all checks, and its time; nothing can be written through it."""
    async with database.snapshot() as transaction:
        connection = transaction.connection
        await connection.execute(text("set local timezone to 'UTC'"))
        now: datetime = (await connection.execute(text("select now()"))).scalar_one()
        yield connection, now
