"""What proofs of callbacks have in common: secrets that change, headers that come once, comparisons, signed times."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from connectors.base import Callback, only_header
from domain.errors import VerificationFailed

LONGEST_UNPROVEN_BYTES = 32_768
"""Several times what any gateway posts that puts its proof into the body. Anybody can make us read such a body."""


def refuse_long(callback: Callback, gateway: str) -> None:
    """Refuse a body that would have to be read before anything proves it, when it is too long to be genuine.

    Raises VerificationFailed with the code `signature_invalid`.
    """
    if len(callback.body) > LONGEST_UNPROVEN_BYTES:
        raise VerificationFailed(f"the body is longer than any callback of {gateway}", code="signature_invalid")


def secret_values(*secrets: SecretStr | None) -> list[str]:
    """Return the secrets that are set, in their order: the current one comes first."""
    return [secret.get_secret_value() for secret in secrets if secret is not None]


def usable_secrets(secrets: Sequence[str], name: str, gateway: str) -> list[str]:
    """Return the secrets that can prove anything, which an empty one cannot.

    Raises VerificationFailed with the code `secret_missing` when the first one cannot, which is the current one.
    """
    usable = [secret for secret in secrets if secret.strip()]
    if not usable or not secrets[0].strip():
        raise VerificationFailed(f"no {name} is set for {gateway}", code="secret_missing")
    return usable


def require_header(callback: Callback, name: str) -> str:
    """Return the value of a header that proves a callback; `name` is in small letters.

    Raises VerificationFailed with the code `signature_missing` unless it comes exactly once and is not empty.
    """
    value = only_header(callback.headers, name)
    if value is None:
        raise VerificationFailed(f"the header {name} must come exactly once", code="signature_missing")
    return value


def hmac_sha256(secret: str, message: bytes) -> bytes:
    """Return the HMAC of a message, by SHA-256."""
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


def is_one_of(told: str, expected: Iterable[str]) -> bool:
    """Say whether a text that proves something is one of those expected; compared in constant time."""
    # JSON can write halves of characters, which UTF-8 cannot.
    proof = told.encode(errors="surrogatepass")
    matches = [hmac.compare_digest(proof, each.encode()) for each in expected]
    return any(matches)


def check_age(signed_at: datetime, received_at: datetime, *, oldest: timedelta, newest: timedelta) -> None:
    """Check that a callback was signed near the time when it was received; `newest` is how far ahead clocks may be.

    The time of receipt counts and not the clock: a callback may be verified long after it came. Raises
    VerificationFailed with the code `signature_stale` or `signature_from_future`.
    """
    age = received_at - signed_at
    if age > oldest:
        text = f"signed {age.total_seconds():.0f} s before it was received"
        raise VerificationFailed(text, code="signature_stale")
    if -age > newest:
        text = f"signed {-age.total_seconds():.0f} s after it was received"
        raise VerificationFailed(text, code="signature_from_future")
