"""What a payer's browser brings back from Razorpay, signed with the key secret.

A good proof says that a payment was made, not what has become of it since: the payment is always read back.
"""

from razorpay.errors import SignatureVerificationError
from razorpay.utility.utility import Utility

from connectors.base import RedirectRequest
from connectors.razorpay.api import receipt_of
from connectors.razorpay.links import is_link
from domain.errors import VerificationFailed

SIGNATURE, PAYMENT_ID = "razorpay_signature", "razorpay_payment_id"
LINK_ID, LINK_REFERENCE = "razorpay_payment_link_id", "razorpay_payment_link_reference_id"
LINK_STATUS = "razorpay_payment_link_status"

_UTILITY = Utility()


def check_redirect(request: RedirectRequest, key_secret: str) -> None:
    """Check that the browser proves a payment on our order or link.

    What the proof covers is put together from our own names, not the browser's. Raises VerificationFailed with the code
    `signature_missing`, `signature_invalid` or `reference_mismatch`.
    """
    parameters = request.parameters
    payment_id, signature = _needed(request, PAYMENT_ID), _needed(request, SIGNATURE)
    if LINK_ID in parameters:
        reference = receipt_of(request.payment_id)
        link_id = request.provider_reference if is_link(request.provider_reference) else parameters[LINK_ID]
        told = (parameters[LINK_ID], _needed(request, LINK_REFERENCE))
        if told != (link_id, reference):
            raise VerificationFailed("the browser came back from another payment link", code="reference_mismatch")
        proven = f"{link_id}|{reference}|{_needed(request, LINK_STATUS)}|{payment_id}"
    else:
        told_order = parameters.get("razorpay_order_id", request.provider_reference)
        if told_order != request.provider_reference:
            raise VerificationFailed("the browser came back from another order", code="reference_mismatch")
        proven = f"{request.provider_reference}|{payment_id}"
    if not signature.isascii() or not _is_signed(proven, signature, key_secret):
        raise VerificationFailed("the proof that the browser brought does not hold", code="signature_invalid")


def _needed(request: RedirectRequest, name: str) -> str:
    value = request.parameters.get(name)
    if not value:
        raise VerificationFailed(f"the browser brought no {name}", code="signature_missing")
    return value


def _is_signed(proven: str, signature: str, key_secret: str) -> bool:
    try:
        # The SDK compares in constant time.
        return bool(_UTILITY.verify_signature(proven, signature, key_secret))
    except SignatureVerificationError:
        return False
