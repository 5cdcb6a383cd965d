"""What can go wrong where no gateway is called."""

from domain.errors import InvalidInput

GATEWAY_NAME = "Manual payment"


def unknown_method(method: str) -> InvalidInput:
    """Return the error for a payment method that nobody here takes."""
    return InvalidInput(f"{method!r} is not a manual payment method", field="method")


def no_instructions(method: str) -> InvalidInput:
    """Return the error for a payment method that the account has written no instructions for."""
    return InvalidInput(f"the account does not take payments by {method}", field="method")
