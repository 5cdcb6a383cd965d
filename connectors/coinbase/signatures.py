"""The signatures on Coinbase's callbacks.

Commerce signs the body alone, without a time, so its callbacks never grow stale; repeats are recognized by the event's
id. Business signs a time as well: `t=<unix>,v0=<hex>,h=<names>,v1=<hex>`, where v0 covers time and body and v1 the
headers that `h` names besides. Only the version that the account is configured for counts, whatever else is there.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from connectors.base import Callback, only_header
from connectors.callback_proofs import check_age, hmac_sha256, is_one_of, require_header, usable_secrets
from connectors.payloads import moment
from domain.errors import VerificationFailed

COMMERCE_HEADER = "x-cc-webhook-signature"
BUSINESS_HEADER = "x-hook0-signature"
TOLERANCE = timedelta(minutes=5)

_SECONDS = re.compile(r"[0-9]{1,11}")


def verify_commerce(callback: Callback, secrets: Sequence[str]) -> None:
    """Check a callback of Commerce.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable, signature = _usable(secrets), require_header(callback, COMMERCE_HEADER)
    _check(usable, callback.body, signature)


def verify_business(callback: Callback, secrets: Sequence[str], version: Literal["v0", "v1"]) -> None:
    """Check a callback of Business by the version of its signature that is asked for.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing`, `signature_invalid`,
    `signature_stale` or `signature_from_future`. The signed time is compared with the time of receipt, not with the
    clock: a callback may be verified long after it came.
    """
    usable, header = _usable(secrets), require_header(callback, BUSINESS_HEADER)
    seconds, signature = _part(header, "t"), _part(header, version)
    if not _SECONDS.fullmatch(seconds):
        raise VerificationFailed(f"the header {BUSINESS_HEADER} has no time", code="signature_invalid")
    bound = f"{seconds}."
    if version == "v1":
        names = _part(header, "h")
        bound += f"{names}.{'.'.join(_bound_value(callback, name) for name in names.split(' '))}."
    _check(usable, bound.encode() + callback.body, signature)
    check_age(moment(int(seconds)), callback.received_at, oldest=TOLERANCE, newest=TOLERANCE)


def _usable(secrets: Sequence[str]) -> list[str]:
    return usable_secrets(secrets, "webhook secret", "Coinbase")


def _part(header: str, name: str) -> str:
    """The value of one part of the header, which must be there exactly once and not empty."""
    values = [value for key, _, value in (part.partition("=") for part in header.split(",")) if key == name]
    if len(values) != 1 or not values[0]:
        text = f"the header {BUSINESS_HEADER} must have one part {name}"
        raise VerificationFailed(text, code="signature_invalid")
    return values[0]


def _bound_value(callback: Callback, name: str) -> str:
    value = only_header(callback.headers, name.lower())
    if value is None:
        raise VerificationFailed("a header that the signature covers is not there once", code="signature_invalid")
    return value


def _check(secrets: Sequence[str], signed: bytes, signature: str) -> None:
    if not is_one_of(signature, (hmac_sha256(secret, signed).hex() for secret in secrets)):
        raise VerificationFailed("the signature of Coinbase does not match", code="signature_invalid")
