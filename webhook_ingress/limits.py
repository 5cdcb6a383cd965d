"""How much the ingress takes on: requests and bytes of their bodies at the same time, and from whom how fast."""

from ipaddress import IPv6Address, IPv6Network

from bootstrap.rate_limits import Monotonic, RateLimiter
from bootstrap.settings import IngressSettings
from connectors.base import Headers

BYTES_PER_TOKEN = 16_384
"""A callback takes one token for each of these begun. Hardly any genuine one is longer; all are kept for weeks."""

FORWARDED_FOR = "x-forwarded-for"


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


class CallbackRates:
    """Two buckets for each callback: its account's at its gateway, and within that one of its own for each peer.

    A peer's is smaller, so that whoever floods an account leaves room in it for everybody else. What is refused because
    of its peer takes nothing from the account.
    """

    def __init__(self, settings: IngressSettings, monotonic: Monotonic) -> None:
        rate, burst, share = settings.rate_limit_per_second, settings.rate_limit_burst, settings.rate_limit_peer_share
        self._accounts = RateLimiter(rate_per_second=rate, burst=burst, monotonic=monotonic)
        self._peers = RateLimiter(
            rate_per_second=rate * share, burst=max(1, int(burst * share)), monotonic=monotonic, capacity=50_000
        )

    def take(self, gateway: str, account: str, peer: str, declared_bytes: int | None) -> float:
        """Take what a callback of this size takes; return 0, or the seconds until it may be tried again."""
        tokens = 1 + (declared_bytes or 0) // BYTES_PER_TOKEN
        return self._peers.take(gateway, account, peer, tokens=tokens) or self._accounts.take(
            gateway, account, tokens=tokens
        )

    def owe(self, gateway: str, account: str, peer: str, size_bytes: int) -> None:
        """Take the rest for a callback that did not declare its size, now that it is known."""
        tokens = size_bytes // BYTES_PER_TOKEN
        if tokens:
            self._peers.owe(gateway, account, peer, tokens=tokens)
            self._accounts.owe(gateway, account, tokens=tokens)


def peer_of(remote_address: str, headers: Headers, trusted_proxies: int) -> str:
    """Return who posts: the address that connected, or what the outermost of so many trusted proxies says of it.

    Each proxy adds the address that it was reached from to the end of `X-Forwarded-For`; what stands before that was
    written by the client, who may write anything. Of an IPv6 address the network counts, because anybody has as many
    addresses in it as they like.
    """
    peer = remote_address
    if trusted_proxies:
        told = [part.strip() for name, value in headers if name == FORWARDED_FOR for part in value.split(",")]
        if len(told) >= trusted_proxies:
            peer = told[-trusted_proxies]
    if ":" not in peer:
        return peer
    try:
        address = IPv6Address(peer)
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
    except ValueError:
        return peer
