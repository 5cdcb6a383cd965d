"""PayPal's signatures: what is signed, what must come with it, and how it is checked against a public key.

PayPal signs `transmission id|transmission time|webhook id|CRC-32 of the body` (RSA, PKCS #1 v1.5, SHA-256). A CRC-32 is
no digest: whoever has seen one signed callback can make another body for it. So a good signature is required, and yet
nothing that a callback says is believed: it only says that there is news to be read from PayPal.
"""

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from connectors.base import Callback
from connectors.callback_proofs import check_age, require_header
from connectors.payloads import moment_from_text
from domain.errors import MalformedPayload, VerificationFailed

ID_HEADER = "paypal-transmission-id"
TIME_HEADER = "paypal-transmission-time"
SIGNATURE_HEADER = "paypal-transmission-sig"
CERTIFICATE_HEADER = "paypal-cert-url"
ALGORITHM_HEADER = "paypal-auth-algo"

ALGORITHM = "SHA256withRSA"

OLDEST = timedelta(days=4)
"""PayPal tries for three days, and does not say whether it signs a delivery anew each time."""
NEWEST = timedelta(minutes=15)
"""How far PayPal's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """What PayPal says of a delivery in its headers."""

    transmission_id: str
    transmission_time: str
    signature: str
    certificate_url: str


def read_transmission(callback: Callback) -> Transmission:
    """Read the headers of a delivery.

    Raises VerificationFailed with the code `signature_missing` when one does not come exactly once, `signature_invalid`
    when they cannot be PayPal's.
    """
    values = []
    for name in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER, CERTIFICATE_HEADER, ALGORITHM_HEADER):
        value = require_header(callback, name)
        if not value.isascii() or not value.isprintable():
            raise VerificationFailed(f"the header {name} cannot be PayPal's", code="signature_invalid")
        values.append(value)
    *told, algorithm = values
    if algorithm != ALGORITHM:
        raise VerificationFailed(f"PayPal signs with {ALGORITHM} only", code="signature_invalid")
    return Transmission(*told)


def signed_message(transmission: Transmission, webhook_id: str, body: bytes) -> str:
    """Return what PayPal signs of a delivery to a webhook."""
    checksum = zlib.crc32(body) & 0xFFFFFFFF
    return f"{transmission.transmission_id}|{transmission.transmission_time}|{webhook_id}|{checksum}"


def verify_signature(
    transmission: Transmission, body: bytes, webhook_ids: Sequence[str], public_key: RSAPublicKey
) -> None:
    """Raise VerificationFailed unless the signature is for the body and one of the webhooks."""
    signature = _decode(transmission.signature)
    for webhook_id in webhook_ids:
        message = signed_message(transmission, webhook_id, body).encode()
        try:
            public_key.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return
    raise VerificationFailed("the signature of PayPal does not match the body", code="signature_invalid")


def check_transmission_time(transmission: Transmission, received_at: datetime) -> None:
    """Raise VerificationFailed when a delivery was sent too long before it was received, or after that."""
    try:
        sent_at = moment_from_text(transmission.transmission_time)
    except MalformedPayload as error:
        raise VerificationFailed(f"the header {TIME_HEADER} cannot be read", code="signature_invalid") from error
    check_age(sent_at, received_at, oldest=OLDEST, newest=NEWEST)


def usable_webhook_ids(webhook_id: str, previous: str | None) -> list[str]:
    """Return the ids that deliveries may be for. Raises VerificationFailed when the account has none."""
    if not webhook_id.strip():
        raise VerificationFailed("no webhook id is set for PayPal", code="secret_missing")
    return [each for each in (webhook_id, previous) if each is not None and each.strip()]


def _decode(signature: str) -> bytes:
    try:
        decoded = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    # Base64 has several spellings for some bytes. PayPal uses one, and only that one is its signature.
    if not decoded or base64.b64encode(decoded).decode() != signature:
        raise VerificationFailed("the signature of PayPal is not base64", code="signature_invalid")
    return decoded
