"""What the embedded stack raises."""

from domain.errors import PaystreamError


class StackFailed(PaystreamError):
    """A part of the embedded stack could not be set up, started or stopped. The message says what to do."""

    code = "stack_failed"
