"""Every error Paystream raises on purpose, in one tree.

    PaystreamError                     code, message, field
    ├── InvalidInput                   the caller sent something that can never be right
    │   ├── InvalidMoney               not an integer of minor units of a known currency
    │   └── MalformedPayload           bytes that cannot be read as what they claim to be
    ├── NotFound                       a name that nobody here has
    ├── Refused                        well-formed, and the answer is no
    │   ├── OperationNotAllowed        this operation in this status
    │   ├── CapabilityMissing          the gateway has no such operation
    │   ├── AmountExceeded             more than is captured, authorized or left
    │   ├── CommandConflict            the same command id with other content
    │   └── PreconditionFailed         somebody else was quicker
    ├── VerificationFailed             a callback that is not proven to come from its gateway
    ├── Unauthenticated                nobody knows who asks
    ├── Forbidden                      we know who asks, and they may not
    ├── Unavailable                    a part of our own does not answer now: ask again later
    ├── GatewayError                   a gateway was called
    │   ├── GatewayDeclined            it said no to this payment: a definite answer
    │   ├── GatewayRejected            it said our request or our credentials are wrong: a definite answer
    │   ├── GatewayUnavailable         the request certainly had no effect: safe to send again
    │   └── OutcomeUnknown             nobody knows: reconcile, never fail and never retry blindly
    └── InvariantViolated              a bug: stop before money moves

Only `RETRYABLE` may be retried, and only with the same idempotency key. There are no HTTP codes here; the API
maps the tree onto them at its own edge.
"""


class PaystreamError(Exception):
    """Root of the tree. `code` is stable and machine-readable; `field` names the offending input, if any."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class InvalidInput(PaystreamError):
    """The caller sent something that can never be right, whatever the state."""

    code = "invalid_input"


class InvalidMoney(InvalidInput):
    """An amount that is not an integer of minor units of a known currency."""

    code = "invalid_money"


class MalformedPayload(InvalidInput):
    """Bytes that cannot be read as what they claim to be."""

    code = "malformed_payload"


class NotFound(PaystreamError):
    """Nothing here has that name, or the caller may not know that it does."""

    code = "not_found"


class Refused(PaystreamError):
    """A well-formed request whose answer is no."""

    code = "refused"


class OperationNotAllowed(Refused):
    """The payment's status does not allow the operation."""

    code = "operation_not_allowed"


class CapabilityMissing(Refused):
    """The gateway has no such operation."""

    code = "capability_missing"


class AmountExceeded(Refused):
    """The amount is above what is authorized, captured or left to refund."""

    code = "amount_exceeded"


class CommandConflict(Refused):
    """A command id was used before with other content."""

    code = "command_conflict"


class PreconditionFailed(Refused):
    """What was to be changed is no longer what the caller has seen."""

    code = "precondition_failed"


class VerificationFailed(PaystreamError):
    """A callback is not proven to come from its gateway. `code` says why: `signature_missing`,
    `signature_invalid`, `signature_stale`, `signature_from_future`, `secret_missing`,
    `unknown_account`, `reference_mismatch`.
    """

    code = "signature_invalid"


class Unauthenticated(PaystreamError):
    """Whoever asks did not prove who they are."""

    code = "unauthenticated"


class Forbidden(PaystreamError):
    """Whoever asks is known and may not do this."""

    code = "forbidden"


class Unavailable(PaystreamError):
    """A part of our own, such as the broker, is not there or does not answer now. The same again later may succeed."""

    code = "unavailable"


class GatewayError(PaystreamError):
    """A gateway was called and the call did not succeed."""

    code = "gateway_error"


class GatewayDeclined(GatewayError):
    """The gateway refused this payment. A definite answer: nothing moved."""

    code = "gateway_declined"


class GatewayRejected(GatewayError):
    """The gateway refused our request or our credentials. A definite answer: nothing moved."""

    code = "gateway_rejected"


class GatewayUnavailable(GatewayError):
    """The request certainly had no effect (no connection, or turned away by a rate limit)."""

    code = "gateway_unavailable"


class OutcomeUnknown(GatewayError):
    """The request may or may not have had an effect (timeout, broken connection, server error)."""

    code = "outcome_unknown"


class InvariantViolated(PaystreamError):
    """Something that must always hold does not. It is a bug; the transaction it happens in is rolled back."""

    code = "invariant_violated"


RETRYABLE: tuple[type[PaystreamError], ...] = (GatewayUnavailable,)
