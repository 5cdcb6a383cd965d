"""How much the ingress takes on at the same time: requests, and bytes of their bodies."""


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
