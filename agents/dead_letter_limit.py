"""How many dead letters an agent may write in a while. More of them are no bad records but a bug, or a flood.

Beyond the limit the process stops and buries nothing more: a dead-letter topic is for the few records that somebody has
to look at, not for a day's money. What it already holds counts after a restart too, so that a supervisor that starts
the process again and again does not drain the source into it bit by bit.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.metrics import DEAD_LETTERS_ALLOWED, DEAD_LETTERS_RECENT
from bootstrap.settings import KafkaSettings
from topics.spec import TopicSpec

COUNT = 50
WINDOW_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class DeadLetterLimit:
    """At most `count` dead letters of one agent within `window_seconds`. `already` were written just before."""

    def __init__(
        self,
        agent: str,
        *,
        count: int = COUNT,
        window_seconds: float = WINDOW_SECONDS,
        already: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._window_seconds = window_seconds
        self._monotonic = monotonic
        self._written = deque([monotonic()] * min(already, count), maxlen=max(count, 1))
        DEAD_LETTERS_RECENT.labels(agent=agent).set_function(self.recent)
        DEAD_LETTERS_ALLOWED.labels(agent=agent).set(count)

    def __str__(self) -> str:
        return f"{self._count} dead letters in {self._window_seconds:g} s"

    def recent(self) -> int:
        """How many were written within the window that ends now."""
        since = self._monotonic() - self._window_seconds
        return sum(written > since for written in self._written)

    def allows(self, further: int) -> bool:
        """Say whether so many more may be written now."""
        return self.recent() + further <= self._count

    def note(self) -> None:
        """Remember that one is being written."""
        self._written.append(self._monotonic())


async def count_since(kafka: KafkaSettings, topic: TopicSpec, since: datetime) -> int:
    """How many records a topic got since a moment, whoever wrote them; 0 where the broker cannot say."""
    partitions = [TopicPartition(kafka.topic(topic), number) for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, client_id="paystream-dead-letters", enable_auto_commit=False
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        milliseconds = int(since.timestamp() * 1_000)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
        ends = await consumer.end_offsets(partitions)
    except KafkaError as error:
        _log.warning("recent dead letters are not known", topic=kafka.topic(topic), error=repr(error))
        return 0
    finally:
        await consumer.stop()
    return sum(ends[partition] - first.offset for partition, first in found.items() if first is not None)
