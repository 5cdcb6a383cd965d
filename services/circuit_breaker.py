"""Circuit breakers: an account's gateway that does not answer is left alone for a while instead of being asked by all.

A refusal by an open circuit is GatewayUnavailable: the request was certainly not sent. Only silence opens a circuit;
a gateway that answers no is well.
"""

import time
from collections.abc import Callable
from types import TracebackType

from domain.errors import GatewayUnavailable, OutcomeUnknown

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 10.0
CIRCUIT_OPEN = "circuit_open"

Monotonic = Callable[[], float]
"""Seconds on a clock that never goes back."""


class Circuit:
    """The circuit of one account at one gateway; `with circuit:` around every call.

    After `failures_to_open` calls in a row without an answer it opens; after `open_seconds` one call is let through to
    try, and its outcome closes the circuit or opens it again.
    """

    def __init__(
        self,
        gateway: str,
        monotonic: Monotonic = time.monotonic,
        *,
        failures_to_open: int = FAILURES_TO_OPEN,
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        self._gateway = gateway
        self._monotonic = monotonic
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._failures = 0
        self._closed_again_at: float | None = None
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether the next call would be refused."""
        return self._closed_again_at is not None and (self._is_trying or self._monotonic() < self._closed_again_at)

    def __enter__(self) -> None:
        if self._closed_again_at is None:
            return
        if self.is_open:
            raise GatewayUnavailable(
                f"{self._gateway} has not answered lately and is not asked for {self._open_seconds:g} s",
                code=CIRCUIT_OPEN,
            )
        self._is_trying = True

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        self._is_trying = False
        if isinstance(error, GatewayUnavailable | OutcomeUnknown):
            self._failures += 1
            if self._failures >= self._failures_to_open:
                self._closed_again_at = self._monotonic() + self._open_seconds
        elif error is None or isinstance(error, Exception):
            # An answer, also a no. A call that was cancelled says nothing.
            self._failures = 0
            self._closed_again_at = None


class CircuitBreakers:
    """The circuits of a process, by account and gateway."""

    def __init__(self, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        self._circuits: dict[tuple[str, str], Circuit] = {}

    def circuit(self, account: str, gateway: str) -> Circuit:
        """The circuit of an account at a gateway."""
        key = (account, gateway)
        if key not in self._circuits:
            self._circuits[key] = Circuit(gateway, self._monotonic)
        return self._circuits[key]
