"""Stripe's failures in the house's terms."""

import stripe

from connectors.outcomes import from_status, from_transport, unreadable
from domain.errors import GatewayError, GatewayUnavailable, OutcomeUnknown

GATEWAY_NAME = "Stripe"


def classify(error: stripe.StripeError | TimeoutError) -> GatewayError:
    """Return the house's error for a failed call; see `connectors.outcomes` for what each means."""
    if isinstance(error, stripe.APIConnectionError):
        return from_transport(GATEWAY_NAME, error.__cause__ or error)
    if isinstance(error, TimeoutError):
        return from_transport(GATEWAY_NAME, error)
    status_code = error.http_status
    if status_code is None or _is_success(status_code):
        return unreadable(GATEWAY_NAME)
    if isinstance(error, stripe.IdempotencyError):
        # The key was used before with other parameters: an earlier request arrived, and what became of it is not said.
        return OutcomeUnknown(f"{GATEWAY_NAME} knows the idempotency key from another request")
    if isinstance(error, stripe.RateLimitError):
        # Stripe has also answered 400 for too many requests.
        return GatewayUnavailable(f"{GATEWAY_NAME} turned the request away: too many at once")
    # What the SDK says about an answer without an error object is the answer itself, of any length and content.
    return from_status(GATEWAY_NAME, status_code, error.user_message if error.error is not None else None)


def _is_success(status_code: int) -> bool:
    return 200 <= status_code < 300  # noqa: PLR2004 - the range of HTTP's successes
