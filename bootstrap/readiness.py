"""Whether a process can do its work now: what it depends on answers, and what waits for it is not too much.

Looks are bounded in time, also where what they ask neither answers nor lets go: such a look stays under way, counts as
a no, and is not made a second time beside itself.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from bootstrap.settings import ReadinessSettings
from domain.errors import PaystreamError
from storage.schema_version import require_schema
from storage.unit_of_work import Database

Check = Callable[[], Awaitable[bool]]
"""Says whether one thing is in order; whatever it raises means that it is not."""

LOOK_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, by the names of the checks."""

    ready: bool
    found: Mapping[str, bool]

    @property
    def status_code(self) -> int:
        """200 when ready, else 503."""
        return 200 if self.ready else 503

    def content(self) -> dict[str, object]:
        """The answer to whoever asked."""
        return {"status": "ready" if self.ready else "not_ready", **self.found}


class Readiness:
    """Makes every check at once. Without one of `required` the process is not ready; of `told` it only tells."""

    def __init__(
        self,
        required: Mapping[str, Check],
        *,
        told: Mapping[str, Check] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._required = frozenset(required)
        self._checks = {**required, **(told or {})}
        self._look_seconds = look_seconds
        self._looking: dict[str, asyncio.Future[bool]] = {}

    async def look(self) -> Report:
        """Look at everything now."""
        looks = {name: self._begin(name, check) for name, check in self._checks.items()}
        await asyncio.wait(looks.values(), timeout=self._look_seconds)
        found = {name: self._answer(name, look) for name, look in looks.items()}
        return Report(all(found[name] for name in self._required), found)

    async def close(self) -> None:
        """Give up looks that are still under way."""
        for looking in self._looking.values():
            looking.cancel()
        await asyncio.gather(*self._looking.values(), return_exceptions=True)
        self._looking.clear()

    def _begin(self, name: str, check: Check) -> asyncio.Future[bool]:
        """Make a look, or join the one that is under way."""
        if name not in self._looking:
            self._looking[name] = asyncio.ensure_future(check())
        return self._looking[name]

    def _answer(self, name: str, look: asyncio.Future[bool]) -> bool:
        if not look.done():
            return False
        if self._looking.get(name) is look:
            del self._looking[name]
        if look.cancelled():
            return False
        if (error := look.exception()) is not None:
            told = error.message if isinstance(error, PaystreamError) else repr(error)
            _log.warning("not ready", check=name, error=told)
            return False
        return look.result()


def schema_check(database: Database) -> Check:
    """Whether the database answers and has a schema that this version works with."""

    async def check() -> bool:
        await require_schema(database)
        return True

    return check


def disk_check(settings: ReadinessSettings) -> dict[str, Check]:
    """Whether the reserve is free on the disk; no check at all where none is kept."""

    async def check() -> bool:
        return shutil.disk_usage(Path(settings.disk_path)).free >= settings.reserved_disk_bytes

    return {"disk": check} if settings.reserved_disk_bytes else {}
