"""What a payer's browser brings back from PayPal. Nothing of it is signed, and `token` names the order."""

from connectors.base import RedirectRequest
from domain.errors import VerificationFailed


def check_redirect(request: RedirectRequest) -> None:
    """Raise VerificationFailed when the browser names another order than ours."""
    told = request.parameters.get("token")
    if told is not None and told != request.provider_reference:
        raise VerificationFailed("the parameter token names another order", code="reference_mismatch")
