"""Requests per second, from memory: a token bucket for each of whoever asks."""

from collections import OrderedDict
from collections.abc import Callable

from domain.errors import InvalidInput

Monotonic = Callable[[], float]
"""Seconds on a clock that never goes back."""


class RateLimiter:
    """A token bucket for each of whoever asks, such as `("stripe", "acme")`.

    A bucket is one number: the moment at which it will be full again. At most `capacity` buckets are kept; the one that
    was used longest ago is forgotten first, which at worst fills it early.
    """

    def __init__(self, *, rate_per_second: float, burst: int, monotonic: Monotonic, capacity: int = 10_000) -> None:
        if rate_per_second <= 0 or burst < 1:
            raise InvalidInput("a rate limit needs a rate above 0 and a burst of at least 1", field="rate_limit")
        self._token_seconds = 1.0 / rate_per_second
        # Half a token of slack keeps rounding from refusing the last request of a burst.
        self._full_seconds = (burst + 0.5) * self._token_seconds
        self.burst = burst
        self._monotonic = monotonic
        self._capacity = capacity
        self._full_at: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def left(self, *who: str) -> int:
        """How many tokens there are."""
        now = self._monotonic()
        used = max(self._full_at.get(who, now) - now, 0.0) / self._token_seconds
        return max(0, int(self.burst - used))

    def take(self, *who: str, tokens: int = 1) -> float:
        """Take tokens; return 0 when there were as many, else the seconds until there are.

        More than a whole burst is never there: who asks for more gets by with a full bucket.
        """
        now = self._monotonic()
        full_at = self._full_at.get(who, now)
        full_at = max(full_at, now)
        full_at += self._token_seconds if tokens == 1 else min(tokens, self.burst) * self._token_seconds
        wait_seconds = full_at - now - self._full_seconds
        if wait_seconds > 0:
            return wait_seconds
        self._keep(who, full_at)
        return 0.0

    def owe(self, *who: str, tokens: int) -> None:
        """Take tokens that may not be there yet, for what turned out to be worth more than was taken."""
        now = self._monotonic()
        owed = min(tokens, self.burst) * self._token_seconds
        self._keep(who, max(self._full_at.get(who, now), now) + owed)

    def _keep(self, who: tuple[str, ...], full_at: float) -> None:
        self._full_at[who] = full_at
        self._full_at.move_to_end(who)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)
