"""How requests to BitPay's facade merchant are signed: ECDSA (secp256k1, SHA-256) over the whole address and the body.

Source: "Signature" in BitPay's API documentation.
"""

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_NUMBER = re.compile(r"[0-9A-Fa-f]{64}")


def read_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Return a private key given in PEM or as its number in hexadecimal.

    Raises ValueError, which says nothing of the key, when it is no key of secp256k1.
    """
    # Keys are often kept in one line of an environment file.
    text = text.replace("\\n", "\n").strip()
    key = _from_number(text) if _NUMBER.fullmatch(text) else _from_pem(text)
    if key is None:
        raise ValueError("the private key is no EC key of the curve secp256k1")
    return key


def identity_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the compressed public key in hexadecimal, by which BitPay knows who signs."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()


def sign(key: ec.EllipticCurvePrivateKey, url: str, body: bytes = b"") -> str:
    """Return the signature of a request, in hexadecimal. `url` has its query."""
    return key.sign(url.encode() + body, ec.ECDSA(hashes.SHA256())).hex()


def _from_number(text: str) -> ec.EllipticCurvePrivateKey | None:
    try:
        return ec.derive_private_key(int(text, 16), ec.SECP256K1())
    except ValueError:
        return None


def _from_pem(text: str) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256K1) else None
