"""Work that a process does again and again beside its streams."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from agents.guard import stop_process
from agents.retry_policy import is_transient

_log = structlog.get_logger(__name__)


def periodically(app: Any, name: str, interval_seconds: float, work: Callable[[], Awaitable[None]]) -> Any:
    """Make a Faust task of `work`. Errors that pass are waited out; any other stops the process, as in an agent."""

    async def run() -> None:
        while not app.should_stop:
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - nothing is swallowed: it passes by itself or the process stops
                if not is_transient(error):
                    stop_process(f"{name} failed", error)
                _log.warning("interrupted", task=name, error=repr(error))
            await app.sleep(interval_seconds)

    return app.task(run)
