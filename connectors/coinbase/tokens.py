"""The bearer tokens that Coinbase Business wants: JWTs that live two minutes and are good for one address.

Source: "JWT Authentication" in the documentation of the Coinbase Developer Platform.
"""

import base64
import binascii
import json
import secrets

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

LIFETIME_SECONDS = 120

_SEED_BYTES, _SEED_AND_PUBLIC_BYTES = 32, 64
_NUMBER_BYTES = 32
"""Length of each of the two numbers of a signature on the curve P-256."""

SigningKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def read_key(text: str) -> SigningKey:
    """Return a key as the Developer Platform hands it out: EC (P-256) in PEM, or Ed25519 in base64.

    An Ed25519 key comes as its seed followed by its public key. Raises ValueError, which says nothing of the key,
    for anything else.
    """
    # Keys are often kept in one line of an environment file.
    text = text.replace("\\n", "\n").strip()
    key = _read_pem(text) if text.startswith("-----BEGIN") else _read_ed25519(text)
    if key is None:
        raise ValueError("the private key is neither an EC key (P-256) in PEM nor an Ed25519 key in base64")
    return key


def make_token(key_id: str, key: SigningKey, method: str, host: str, path: str, now_seconds: int) -> str:
    """Return a token for one request. `host` has its port where it is not the usual one; `path` has no query."""
    header = {
        "alg": "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "ES256",
        "kid": key_id,
        "typ": "JWT",
        "nonce": secrets.token_hex(16),
    }
    claims = {
        "sub": key_id,
        "iss": "cdp",
        "nbf": now_seconds,
        "exp": now_seconds + LIFETIME_SECONDS,
        "uri": f"{method} {host}{path}",
    }
    signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
    return f"{signed}.{_encode(_sign(key, signed.encode()))}"


def _sign(key: SigningKey, message: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    first, second = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return first.to_bytes(_NUMBER_BYTES, "big") + second.to_bytes(_NUMBER_BYTES, "big")


def _read_pem(text: str) -> SigningKey | None:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1) else None


def _read_ed25519(text: str) -> SigningKey | None:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(decoded) != _SEED_AND_PUBLIC_BYTES:
        return None
    key = ed25519.Ed25519PrivateKey.from_private_bytes(decoded[:_SEED_BYTES])
    return key if key.public_key().public_bytes_raw() == decoded[_SEED_BYTES:] else None


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
