"""What a payer's browser brings back from Stripe. Nothing of it is signed."""

from connectors.base import RedirectRequest
from domain.errors import VerificationFailed

_NAMES = {"payment_intent": "pi_", "session_id": "cs_"}
"""The parameters that name what was paid, and how Stripe's ids of each kind begin."""


def check_redirect(request: RedirectRequest) -> None:
    """Raise VerificationFailed when the browser names another payment than ours."""
    for name, prefix in _NAMES.items():
        told = request.parameters.get(name)
        if told is not None and _is_another(told, request.provider_reference, prefix):
            raise VerificationFailed(f"the parameter {name} names another payment", code="reference_mismatch")
    secret = request.parameters.get("payment_intent_client_secret")
    if secret is not None and _is_another(secret.partition("_secret_")[0], request.provider_reference, "pi_"):
        text = "the parameter payment_intent_client_secret belongs to another payment"
        raise VerificationFailed(text, code="reference_mismatch")


def _is_another(told: str, reference: str, prefix: str) -> bool:
    # A payment that is still named after its link cannot be compared with a payment intent; it is read back anyway.
    return reference.startswith(prefix) and told != reference
