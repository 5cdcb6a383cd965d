"""What a payer's browser brings back from Square's page to pay on. Nothing of it is signed."""

from connectors.base import RedirectRequest
from domain.errors import VerificationFailed

ORDER_PARAMETER = "orderId"


def check_redirect(request: RedirectRequest) -> None:
    """Raise VerificationFailed when the browser names another order than ours."""
    told = request.parameters.get(ORDER_PARAMETER)
    if told is not None and told != request.provider_reference:
        raise VerificationFailed(f"the parameter {ORDER_PARAMETER} names another order", code="reference_mismatch")
