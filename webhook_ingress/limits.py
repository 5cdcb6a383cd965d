"""How much the ingress takes on: requests and bytes at the same time, and requests per account and second."""

from collections import OrderedDict
from collections.abc import Callable

from domain.errors import InvalidInput

Monotonic = Callable[[], float]
"""Seconds on a clock that never goes back."""


class InFlight:
    """Counts the requests being taken and the body bytes they hold, and admits no more than both limits allow."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self.requests = 0
        self.held_bytes = 0

    def admit(self, size_bytes: int) -> bool:
        """Count a request that may hold `size_bytes`; False, and nothing counted, when there is no room."""
        if self.requests >= self._max_requests or self.held_bytes + size_bytes > self._max_bytes:
            return False
        self.requests += 1
        self.held_bytes += size_bytes
        return True

    def shrink(self, size_bytes: int) -> None:
        """Give back bytes that an admitted request turned out not to need."""
        self.held_bytes -= size_bytes

    def release(self, size_bytes: int) -> None:
        """Forget a request that was admitted and now holds `size_bytes`."""
        self.requests -= 1
        self.held_bytes -= size_bytes


class RateLimiter:
    """A token bucket per account.

    A bucket is one number: the moment at which it will be full again. At most `capacity` buckets are kept; the one that
    was used longest ago is forgotten first, which at worst fills it early.
    """

    def __init__(self, *, rate_per_second: float, burst: int, monotonic: Monotonic, capacity: int = 10_000) -> None:
        if rate_per_second <= 0 or burst < 1:
            raise InvalidInput("a rate limit needs a rate above 0 and a burst of at least 1", field="rate_limit")
        self._token_seconds = 1.0 / rate_per_second
        # Half a token of slack keeps rounding from refusing the last request of a burst.
        self._tolerance_seconds = (burst - 0.5) * self._token_seconds
        self._monotonic = monotonic
        self._capacity = capacity
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, gateway: str, account: str) -> float:
        """Take a token; return 0 when there was one, else the seconds until there is."""
        now = self._monotonic()
        key = (gateway, account)
        full_at = max(self._full_at.get(key, now), now)
        wait_seconds = full_at - now - self._tolerance_seconds
        if wait_seconds > 0:
            return wait_seconds
        self._full_at[key] = full_at + self._token_seconds
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)
        return 0.0
