"""What a payer's browser brings back from PayTabs: a form, signed with the server key.

The signature covers the fields that have a value, sorted by name and written as a query string. PayTabs' own samples
drop the value "0" as well; whether PayTabs does so too is not documented, and here it is kept: at worst a genuine proof
is refused, and the callback tells.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from connectors.base import RedirectRequest
from connectors.paytabs.webhooks import is_signed, usable_keys
from domain.errors import VerificationFailed

SIGNATURE = "signature"
NAMES = ("cartId", "tranRef")


def check_redirect(request: RedirectRequest, server_keys: Sequence[str]) -> None:
    """Check that the browser proves a payment of ours.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` (which PayTabs allows for errors, and
    which then proves nothing), `signature_invalid` or `reference_mismatch`.
    """
    usable = usable_keys(server_keys)
    signature = request.parameters.get(SIGNATURE)
    if not signature:
        raise VerificationFailed("the browser brought no signature", code="signature_missing")
    if not is_signed(canonical_string(request.parameters), signature, usable):
        raise VerificationFailed("the proof that the browser brought does not hold", code="signature_invalid")
    if request.provider_reference not in [request.parameters.get(name) for name in NAMES]:
        raise VerificationFailed("the browser came back from another payment", code="reference_mismatch")


def canonical_string(parameters: Mapping[str, str]) -> bytes:
    """Return what PayTabs signs of a returned form."""
    kept = sorted((name, value) for name, value in parameters.items() if name != SIGNATURE and value)
    return urlencode(kept, errors="replace").encode()
