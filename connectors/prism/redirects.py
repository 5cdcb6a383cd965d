"""What a payer's browser brings back from a processor's page.

Prism's own check of it needs settings that its wheel does not carry, and knows few processors. So nothing of it is
believed: it is handed on while the payment is read back, because some processors want it for that.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from connectors.prism.names import PlannedPayment
from domain.errors import VerificationFailed


def encoded_data(parameters: Mapping[str, str]) -> str | None:
    """Return the browser's parameters as a query, None when there are none."""
    return urlencode(sorted(parameters.items())) or None


def check_redirect(payment_id: str, planned: PlannedPayment | None) -> None:
    """Raise VerificationFailed when the payment's name is another payment's."""
    if planned is not None and planned.payment_id != payment_id:
        raise VerificationFailed("the browser came back from another payment", code="reference_mismatch")
