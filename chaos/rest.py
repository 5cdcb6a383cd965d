"""Waiting until nothing is under way any more: what is left, by name, and a clear error when it stays."""

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.settings import KafkaSettings
from chaos.clerk import Clerk
from chaos.ground import Ground
from chaos.injector import Injector
from chaos.postman import Postman
from chaos.stories import Shoppers
from chaos.upstream import Upstream
from devstack.errors import StackFailed
from topics.catalog import SETTLE_APP_ID

WORKER_APP_ID = "paystream-worker"
"""The worker's consumer group; named here because importing the worker imports all of Faust."""
LOOK_SECONDS = 1.0
HURRY_SECONDS = 3.0
REQUEST_MILLISECONDS = 5_000
NAMED = 5
"""How many of what is left are named in an error."""

_LEFT = text(
    "select (select count(*) from outbox) as messages_in_the_outbox,"
    " (select count(*) from relay_shards where pending_ids <> '{}') as unfinished_plans,"
    " (select count(*) from commands where state <> 'finished') as open_commands,"
    " (select count(*) from settlement_entries where not counted) as uncounted_entries,"
    " (select count(*) from settlement_windows where closed_at is null) as open_windows,"
    " (select count(*) from inbox where disposition = 'orphaned') as orphans"
)
_HURRY = text(
    "update commands set reconcile_due_at = now() where state = 'unknown' and reconcile_due_at > now()"
    " and reconcile_due_at not between now() + interval '1 minute' and now() + interval '2 minutes'"
    " and not exists (select from reconciliation_cases where command_id = commands.id and resolved_at is null)"
)
"""The worker looks at commands of unknown outcome after growing pauses; when all is healed nobody waits for those.

What is due within the second minute is being looked at: its claim is left alone."""

_OPEN_COMMANDS = text("select id, state from commands where state <> 'finished' order by started_at limit 5")


class NotAtRest(StackFailed):
    """Something was still under way when the time was up. The message says what."""

    code = "not_at_rest"


class Rest:
    """Everything that may still be under way in a run."""

    def __init__(
        self,
        ground: Ground,
        injector: Injector,
        shoppers: Shoppers,
        postman: Postman,
        upstream: Upstream,
        clerk: Clerk,
    ) -> None:
        self._ground = ground
        self._injector = injector
        self._shoppers = shoppers
        self._postman = postman
        self._upstream = upstream
        self._clerk = clerk

    async def wait(self, timeout_seconds: float, show: Callable[[str], None]) -> None:
        """Wait until nothing is left. Raises NotAtRest naming what is, when the time is up."""
        deadline = time.monotonic() + timeout_seconds
        hurried_at = float("-inf")
        while left := await self.left():
            show(describe(left))
            if time.monotonic() > deadline:
                raise NotAtRest(
                    f"not at rest {timeout_seconds:.0f} s after the last fault: {describe(left)}."
                    f"{await self._named()} The logs in {self._ground.directory / 'logs'} say what each process is at;"
                    " a machine under load may need a larger --rest-seconds"
                )
            if time.monotonic() - hurried_at > HURRY_SECONDS:
                hurried_at = time.monotonic()
                await self._hurry()
            await asyncio.sleep(LOOK_SECONDS)

    async def left(self) -> dict[str, int]:
        """What is left, by name; empty at rest."""
        counts = {
            "faults": len(self._injector.active),
            "stories": len(self._shoppers.under_way),
            "deliveries": self._postman.waiting,
            "unanswered_commands": self._upstream.open_commands,
        }
        try:
            async with self._ground.database.transaction() as transaction:
                counts |= (await transaction.connection.execute(_LEFT)).one()._asdict()
        except (SQLAlchemyError, OSError):
            counts["databases_that_do_not_answer"] = 1
        try:
            counts |= await consumer_lag(self._ground.settings.kafka)
        except (KafkaError, OSError, TimeoutError):
            counts["brokers_that_do_not_answer"] = 1
        return {name: count for name, count in counts.items() if count}

    async def _hurry(self) -> None:
        try:
            async with self._ground.database.transaction("chaos") as transaction:
                await transaction.connection.execute(_HURRY)
            await self._clerk.work()
        except (SQLAlchemyError, OSError):
            return

    async def _named(self) -> str:
        stories = "".join(f" Story {name}." for name in self._shoppers.under_way[:NAMED])
        try:
            async with self._ground.database.transaction() as transaction:
                rows = await transaction.connection.execute(_OPEN_COMMANDS)
                return stories + "".join(f" Command {row.id} is {row.state}." for row in rows)
        except (SQLAlchemyError, OSError):
            return stories


def describe(left: dict[str, int]) -> str:
    """What is left, in words."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in left.items())


async def consumer_lag(kafka: KafkaSettings) -> dict[str, int]:
    """How many records each of our consumer groups has before it. Raises KafkaError, OSError or TimeoutError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers, request_timeout_ms=REQUEST_MILLISECONDS)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, request_timeout_ms=REQUEST_MILLISECONDS, group_id=None
    )
    try:
        async with asyncio.timeout(4 * REQUEST_MILLISECONDS / 1_000):
            await admin.start()
            await consumer.start()
            lag: dict[str, int] = {}
            for app_id in (WORKER_APP_ID, SETTLE_APP_ID):
                committed = await admin.list_consumer_group_offsets(kafka.topic_prefix + app_id)
                ends = await consumer.end_offsets(list(committed))
                behind = sum(max(0, ends[each] - max(0, committed[each].offset)) for each in committed)
                lag[f"records_before_{app_id}"] = behind
            return lag
    finally:
        await admin.close()
        await consumer.stop()
