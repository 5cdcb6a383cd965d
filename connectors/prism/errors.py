"""Failures of Prism's SDK in the house's terms.

The SDK makes the HTTP call by itself. What counts is how far the call came: `Stage` keeps just that of its exceptions.
"""

from enum import Enum
from http import HTTPStatus

from connectors.outcomes import from_status, quote, unreadable
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown

GATEWAY_NAME = "Prism"

_NOT_THERE = frozenset({"FLOW_NOT_SUPPORTED", "NOT_IMPLEMENTED", "NOT_SUPPORTED"})


class Stage(Enum):
    """How far a call came."""

    REFUSED = "refused"
    """The SDK could not make a request of it; nothing was sent."""
    UNREACHABLE = "unreachable"
    """The processor could not be reached; nothing was sent."""
    UNANSWERED = "unanswered"
    """Something may have been sent, and no whole answer came."""
    ANSWERED = "answered"
    """The processor answered, with an error or with something that Prism cannot read."""


class PrismFailure(Exception):
    """A call of the SDK that failed.

    `code` is the SDK's own; `said` a message for people, the processor's where it answered; `status_code` the answer's.
    """

    def __init__(self, stage: Stage, code: str, *, said: str | None = None, status_code: int | None = None) -> None:
        super().__init__(f"{stage.value}: {code}")
        self.stage = stage
        self.code = code
        self.said = said
        self.status_code = status_code

    @property
    def is_not_there(self) -> bool:
        """True when Prism has no such call for this processor."""
        return self.stage is Stage.REFUSED and self.code in _NOT_THERE


def classify(failure: PrismFailure) -> GatewayError:
    """Return the house's error for a failed call."""
    if failure.stage is Stage.REFUSED:
        return GatewayRejected(f"{GATEWAY_NAME} makes no request of it ({failure.code}){quote(failure.said)}")
    if failure.stage is Stage.UNREACHABLE:
        return GatewayUnavailable(f"{GATEWAY_NAME} could not reach the processor ({failure.code})")
    if failure.stage is Stage.UNANSWERED or failure.status_code is None:
        return OutcomeUnknown(f"{GATEWAY_NAME} got no answer from the processor ({failure.code})")
    if HTTPStatus.OK <= failure.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return unreadable(GATEWAY_NAME)
    return from_status(GATEWAY_NAME, failure.status_code, failure.said)
