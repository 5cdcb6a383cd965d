"""Proof that a callback comes from Adyen.

Standard webhooks carry a signature in each of their items, over eight fields of the item and nothing else; the SDK
looks at the first item only. Webhooks of other kinds carry one in a header, over the whole body. Adyen shows the key in
hexadecimal. No time is signed, so a callback never grows stale; repeats are recognized by what they say.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NoReturn

from pydantic import SecretStr

from connectors.adyen.registration import AdyenCredentials
from connectors.base import Callback, only_header
from connectors.callback_proofs import LONGEST_UNPROVEN_BYTES, is_one_of, require_header
from connectors.payloads import Payload, as_object, parse_object, part_of
from domain.errors import MalformedPayload, VerificationFailed

SIGNATURE_HEADER = "hmacsignature"
LOGIN_HEADER = "authorization"
ITEMS, ITEM = "notificationItems", "NotificationRequestItem"


class CallbackProof:
    """Checks callbacks with one account's secrets."""

    def __init__(self, credentials: AdyenCredentials) -> None:
        self._item_keys = _keys((credentials.hmac_key, credentials.previous_hmac_key))
        self._body_keys = _keys((credentials.hmac_key, credentials.previous_hmac_key, credentials.token_hmac_key))
        self._login = _login_of(credentials)

    def check(self, callback: Callback) -> Payload:
        """Return the body once everything in it is proven.

        Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`, and
        MalformedPayload for a body that is proven as a whole but unreadable.
        """
        if not self._item_keys:
            raise VerificationFailed("no HMAC key is set for Adyen", code="secret_missing")
        self._check_login(callback)
        if len(callback.body) > LONGEST_UNPROVEN_BYTES:
            # Items are read before they are proven, so what is longer than any of them is first proven as a whole.
            self._check_whole(callback)
        body = _read(callback.body)
        items = None if body is None else body.get(ITEMS)
        if body is not None and isinstance(items, list) and items:
            for item in items:
                self._check_item(item)
            return body
        self._check_whole(callback)
        return parse_object(callback.body.decode(errors="replace"))

    def _check_login(self, callback: Callback) -> None:
        if self._login is None:
            return
        if not is_one_of(require_header(callback, LOGIN_HEADER), [self._login]):
            raise VerificationFailed("the user and password of the webhook are not right", code="signature_invalid")

    def _check_item(self, holder: object) -> None:
        item = holder.get(ITEM) if isinstance(holder, dict) else None
        extra = item.get("additionalData") if isinstance(item, dict) else None
        signature = extra.get("hmacSignature") if isinstance(extra, dict) else None
        if not isinstance(item, dict) or not isinstance(signature, str) or not signature:
            raise VerificationFailed("every item must carry one hmacSignature", code="signature_missing")
        message = signed_message(item)
        if message is None or not _is_signed(message.encode(errors="surrogatepass"), signature, self._item_keys):
            raise VerificationFailed("a signature of Adyen does not match its item", code="signature_invalid")

    def _check_whole(self, callback: Callback) -> None:
        signature = only_header(callback.headers, SIGNATURE_HEADER)
        if signature is None:
            text = f"neither items with signatures nor exactly one header {SIGNATURE_HEADER} came"
            raise VerificationFailed(text, code="signature_missing")
        if not _is_signed(callback.body, signature, self._body_keys):
            raise VerificationFailed("the signature of Adyen does not match the body", code="signature_invalid")


def signed_message(item: Payload) -> str | None:
    """Return what the signature of an item covers: eight fields, joined by colons that escape nothing.

    None when the fields could be cut apart in another way: only the merchant reference may have a colon, because those
    before and after it can be counted. None also for a field that is no single value.
    """
    amount = part_of(item, "amount")
    before = [_text(item.get(name)) for name in ("pspReference", "originalReference", "merchantAccountCode")]
    reference = _text(item.get("merchantReference"))
    after = [_text(amount.get("value")), _text(amount.get("currency"))]
    after += [_text(item.get("eventCode")), _text(item.get("success"))]
    fields = [*before, reference, *after]
    if None in fields or any(":" in str(text) for text in (*before, *after)):
        return None
    return ":".join(map(str, fields))


def signature_of(message: bytes, key: bytes) -> str:
    """Return the signature of a message."""
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _is_signed(message: bytes, signature: str, keys: Sequence[bytes]) -> bool:
    return is_one_of(signature, (signature_of(message, key) for key in keys))


def _text(value: object) -> str | None:
    if value is None:
        return ""
    return str(value) if isinstance(value, str | int | Decimal) else None


def _keys(secrets: Sequence[SecretStr | None]) -> list[bytes]:
    """Return the usable keys; none at all without the first one, which is the current one."""
    keys = [_key(secret.get_secret_value()) for secret in secrets if secret is not None]
    return [key for key in keys if key] if keys and keys[0] else []


def _key(shown: str) -> bytes:
    try:
        return binascii.unhexlify(shown.strip())
    except ValueError:
        return b""


def _login_of(credentials: AdyenCredentials) -> str | None:
    user, password = credentials.webhook_user, credentials.webhook_password
    if user is None or password is None:
        return None
    return "Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()


def _read(body: bytes) -> Payload | None:
    """Return the body's object, None when it is none. Raises VerificationFailed when a name comes twice in it.

    Where a signature covers fields, two of one name would leave open which of them is signed.
    """
    try:
        text = body.decode()
        parsed = json.loads(text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_names_once)
        return as_object(parsed, "the callback")
    except (ValueError, RecursionError, MalformedPayload):
        return None


def _names_once(pairs: Iterable[tuple[str, Any]]) -> Payload:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise VerificationFailed("a field comes twice, so neither is proven", code="signature_missing")
        found[name] = value
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
