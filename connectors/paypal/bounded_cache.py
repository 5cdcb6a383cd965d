"""A memory that forgets: bounded in time, and in size whatever strangers make it remember."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Keeps values by name for a time. When it is full, what was kept first goes first."""

    def __init__(self, *, max_entries: int, keep_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_entries = max_entries
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def get(self, name: str) -> Value | None:
        """Return what is kept under a name and still counts."""
        until, value = self._entries.get(name, (0.0, None))
        return value if self._clock() < until else None

    def keep(self, name: str, value: Value) -> None:
        """Keep a value from now on."""
        self._entries.pop(name, None)
        self._entries[name] = (self._clock() + self._keep_seconds, value)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
