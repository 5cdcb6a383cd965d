"""The guard every agent runs under, because Faust by itself loses events whose processing raises.

- Errors that pass by themselves are retried in place, for as long as it takes: nothing behind is processed meanwhile.
- A batch that fails otherwise is cut in halves until the one bad record is alone; its neighbours go through, and then
  it goes to the dead-letter topic.
- More dead letters in a while than the limit allows are no bad records but a bug: the process stops before it writes
  the first that is too many. Of a batch all are written or none, so that none is written again after every restart.
- Anything that escapes stops the process at once. Its records are not acknowledged and come again.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import structlog

from agents.dead_letter_limit import DeadLetterLimit
from agents.metrics import BATCH_RETRIES
from agents.records import Record
from agents.retry_policy import delay_seconds, is_fatal, is_transient

EXIT_CODE = 70
"""`EX_SOFTWARE` of sysexits: the supervisor restarts the process."""

Process = Callable[[Sequence[Record]], Awaitable[None]]

_log = structlog.get_logger(__name__)


class TakesDeadLetters(Protocol):
    """Where a record goes that could not be processed."""

    async def send(self, record: Record, error: Exception) -> None:
        """Keep the record with its error; return only when it is safe."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that could not be processed, and why."""

    record: Record
    error: Exception


class Guard:
    """Runs an agent's batches. One per agent."""

    def __init__(
        self,
        name: str,
        dead_letters: TakesDeadLetters,
        *,
        limit: DeadLetterLimit | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        stop: Callable[[str, BaseException | None], None] | None = None,
    ) -> None:
        self._name = name
        self._dead_letters = dead_letters
        self._limit = limit or DeadLetterLimit(name)
        self._sleep = sleep
        self._stop = stop or stop_process

    async def run(self, records: Sequence[Record], process: Process) -> None:
        """Process a batch to its end: when this returns, every record has had its effect or is a dead letter."""
        failures: list[Failure] = []
        await self._isolate(records, process, failures)
        await self.bury(failures)

    async def attempt(self, record: Record, process: Callable[[Record], Awaitable[None]]) -> Failure | None:
        """Process one record. What is returned is still to be buried, with the other failures of its batch."""

        async def process_one(records: Sequence[Record]) -> None:
            await process(records[0])

        error = await self._attempt([record], process_one)
        return None if error is None else Failure(record, error)

    async def bury(self, failures: Sequence[Failure]) -> None:
        """Make dead letters of all failures of a batch; where they are too many, stop the process and write none."""
        if not failures:
            return
        self._check_limit(failures)
        for failure in failures:
            self._limit.note()
            await self._bury(failure)

    async def _isolate(self, records: Sequence[Record], process: Process, failures: list[Failure]) -> None:
        error = await self._attempt(records, process)
        if error is None:
            return
        if len(records) == 1:
            failures.append(Failure(records[0], error))
            # Nothing is won by looking for the rest once there are too many.
            self._check_limit(failures)
            return
        _log.warning("batch failed: cutting it in halves", agent=self._name, size=len(records), error=repr(error))
        middle = len(records) // 2
        await self._isolate(records[:middle], process, failures)
        await self._isolate(records[middle:], process, failures)

    def _check_limit(self, failures: Sequence[Failure]) -> None:
        if not self._limit.allows(len(failures)):
            first = failures[0].record
            self._stop(
                f"{self._name}: more than {self._limit}; nothing of this batch was buried or acknowledged. It begins"
                f" with the record at {first.topic}/{first.partition}/{first.offset}. Mend what makes it fail, or allow"
                " more with PAYSTREAM_WORKER__DEAD_LETTER_LIMIT",
                failures[-1].error,
            )

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

    async def _bury(self, failure: Failure) -> None:
        async def send(_: Sequence[Record]) -> None:
            await self._dead_letters.send(failure.record, failure.error)

        trouble = await self._attempt([failure.record], send)
        if trouble is not None:
            self._stop(f"{self._name}: the dead letter could not be written", trouble)


def stop_process(reason: str, error: BaseException | None) -> NoReturn:
    """Stop without acknowledging anything: no finalizer may run that could commit an offset."""
    _log.critical("stopping: a supervisor must restart this process", reason=reason, error=repr(error), exc_info=error)
    os._exit(EXIT_CODE)


async def stop_on_escape(agent: Any, error: BaseException) -> None:
    """Faust's error hook of every agent: what escapes the guard stops the process."""
    stop_process(f"an error escaped agent {agent.name}", error)
