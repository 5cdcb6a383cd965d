"""What a failed call means for money; every connector classifies its failures here.

The question is always the same: can the request have had an effect? Only when it certainly had none may it be sent
again (GatewayUnavailable); when nobody knows, the payment is read back from the gateway (OutcomeUnknown).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from domain.errors import (
    GatewayDeclined,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    MalformedPayload,
    OutcomeUnknown,
)

MAX_QUOTE_LENGTH = 300

CREDENTIALS_REFUSED = "credentials_refused"
"""The code of a refusal that is about us, and so says nothing of what was asked for."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Failures that come before the first byte of a request; after any other, the gateway may have it."""

_ABOUT_CREDENTIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MAYBE_UNDER_WAY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
"""A conflict says that the same request is being worked on, or was, with another content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a call may take before it counts as unanswered.

    The socket's bounds start again with every byte that comes, so `total_seconds` bounds the call as a whole.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    total_seconds: float = 30.0


def from_status(gateway: str, status_code: int, said: str | None) -> GatewayError:
    """Classify an HTTP answer that is not a success. `said` is the gateway's own message for people."""
    if status_code in _ABOUT_CREDENTIALS:
        return credentials_refused(gateway, f"HTTP {status_code}")
    message = f"{gateway} answered HTTP {status_code}{quote(said)}"
    if status_code == HTTPStatus.PAYMENT_REQUIRED:
        return GatewayDeclined(message)
    if status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return GatewayUnavailable(message)
    if status_code in _MAYBE_UNDER_WAY or not HTTPStatus.BAD_REQUEST <= status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeUnknown(message)
    return GatewayRejected(message)


def credentials_refused(gateway: str, answer: str) -> GatewayRejected:
    """Return the error of a refusal of our credentials. `answer` is its status or code.

    The gateway's message is never quoted: gateways repeat parts of the key in it.
    """
    return GatewayRejected(f"{gateway} refused our credentials ({answer})", code=CREDENTIALS_REFUSED)


def is_about_credentials(error: GatewayError) -> bool:
    """Say whether an error is a refusal of our credentials."""
    return error.code == CREDENTIALS_REFUSED


def from_transport(gateway: str, error: BaseException) -> GatewayError:
    """Classify a call that brought no answer."""
    kind = type(error).__name__
    if isinstance(error, _NEVER_SENT):
        return GatewayUnavailable(f"{gateway} could not be reached ({kind})")
    return OutcomeUnknown(f"{gateway} gave no answer ({kind})")


def unreadable(gateway: str) -> OutcomeUnknown:
    """Classify a success that cannot be read: the request had its effect, and we do not know which."""
    return OutcomeUnknown(f"{gateway} gave an answer that cannot be read")


def before_sending(error: OutcomeUnknown) -> GatewayUnavailable:
    """Reclassify the failure of a mere look-up that came before the request itself: nothing was moved yet."""
    return GatewayUnavailable(error.message)


@contextmanager
def reading(gateway: str) -> Iterator[None]:
    """Read a success within this: what is malformed raises OutcomeUnknown, as `unreadable` says."""
    try:
        yield
    except MalformedPayload as error:
        raise unreadable(gateway) from error


@contextmanager
def nothing_moved_yet() -> Iterator[None]:
    """Look something up within this, before the request itself: without an answer it raises GatewayUnavailable."""
    try:
        yield
    except OutcomeUnknown as error:
        raise before_sending(error) from error


def quote(said: str | None) -> str:
    """The gateway's message, cut to a bearable length, to be put behind our own."""
    return f": {said[:MAX_QUOTE_LENGTH]}" if said else ""
