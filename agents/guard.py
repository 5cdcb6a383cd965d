"""The guard every agent runs under, because Faust by itself loses events whose processing raises.

- Errors that pass by themselves are retried in place, for as long as it takes: nothing behind is processed meanwhile.
- A batch that fails otherwise is cut in halves until the one bad record is alone; it goes to the dead-letter topic and
  its neighbours go through.
- More dead letters than the limit within a minute are no bad records but a bug: the process stops.
- Anything that escapes stops the process at once. Its records are not acknowledged and come again.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn, Protocol

import structlog

from agents.metrics import BATCH_RETRIES
from agents.records import Record
from agents.retry_policy import delay_seconds, is_fatal, is_transient

EXIT_CODE = 70
"""`EX_SOFTWARE` of sysexits: the supervisor restarts the process."""

DEAD_LETTERS_PER_MINUTE = 50

Process = Callable[[Sequence[Record]], Awaitable[None]]

_log = structlog.get_logger(__name__)


class TakesDeadLetters(Protocol):
    """Where a record goes that could not be processed."""

    async def send(self, record: Record, error: Exception) -> None:
        """Keep the record with its error; return only when it is safe."""
        ...


class Guard:
    """Runs an agent's batches. One per agent."""

    def __init__(
        self,
        name: str,
        dead_letters: TakesDeadLetters,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        stop: Callable[[str, BaseException | None], None] | None = None,
    ) -> None:
        self._name = name
        self._dead_letters = dead_letters
        self._monotonic = monotonic
        self._sleep = sleep
        self._stop = stop or stop_process
        self._recent: deque[float] = deque(maxlen=DEAD_LETTERS_PER_MINUTE + 1)

    async def run(self, records: Sequence[Record], process: Process) -> None:
        """Process a batch to its end: when this returns, every record has had its effect or is a dead letter."""
        error = await self._attempt(records, process)
        if error is None:
            return
        if len(records) == 1:
            await self._bury(records[0], error)
            return
        _log.warning("batch failed: cutting it in halves", agent=self._name, size=len(records), error=repr(error))
        middle = len(records) // 2
        await self.run(records[:middle], process)
        await self.run(records[middle:], process)

    async def run_single(self, record: Record, process: Callable[[Record], Awaitable[None]]) -> None:
        """Process one record to its end."""

        async def process_one(records: Sequence[Record]) -> None:
            await process(records[0])

        await self.run([record], process_one)

    async def _attempt(self, records: Sequence[Record], process: Process) -> Exception | None:
        attempt = 0
        while True:
            try:
                await process(records)
            except Exception as error:  # noqa: BLE001 - nothing is swallowed: it is retried or returned
                if is_fatal(error):
                    self._stop(f"{self._name}: the producer is broken for good", error)
                if not is_transient(error):
                    return error
                BATCH_RETRIES.labels(agent=self._name).inc()
                _log.warning("retrying", agent=self._name, attempt=attempt + 1, error=repr(error))
                await self._sleep(delay_seconds(attempt))
                attempt += 1
            else:
                return None

    async def _bury(self, record: Record, error: Exception) -> None:
        now = self._monotonic()
        self._recent.append(now)
        if len(self._recent) > DEAD_LETTERS_PER_MINUTE and now - self._recent[0] < 60:  # noqa: PLR2004 - a minute
            self._stop(f"{self._name}: more than {DEAD_LETTERS_PER_MINUTE} dead letters in a minute", error)

        async def send(_: Sequence[Record]) -> None:
            await self._dead_letters.send(record, error)

        failure = await self._attempt([record], send)
        if failure is not None:
            self._stop(f"{self._name}: the dead letter could not be written", failure)


def stop_process(reason: str, error: BaseException | None) -> NoReturn:
    """Stop without acknowledging anything: no finalizer may run that could commit an offset."""
    _log.critical("stopping: a supervisor must restart this process", reason=reason, error=repr(error), exc_info=error)
    os._exit(EXIT_CODE)


async def stop_on_escape(agent: Any, error: BaseException) -> None:
    """Faust's error hook of every agent: what escapes the guard stops the process."""
    stop_process(f"an error escaped agent {agent.name}", error)
