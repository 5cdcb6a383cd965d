"""What a payer's browser brings back from Klarna's page. Nothing of it is signed."""

from connectors.base import RedirectRequest
from connectors.klarna.names import sessions_in
from connectors.klarna.purchases import PAGE_PARAMETER
from domain.errors import VerificationFailed


def check_redirect(request: RedirectRequest) -> None:
    """Raise VerificationFailed when the browser comes from another payment's page."""
    told, sessions = request.parameters.get(PAGE_PARAMETER), sessions_in(request.provider_reference)
    if told is not None and sessions is not None and told != sessions.page_id:
        text = f"the parameter {PAGE_PARAMETER} names another payment's page"
        raise VerificationFailed(text, code="reference_mismatch")
