"""The local Adyen's callbacks: items with a signature each, and events with one over the whole body."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Item = dict[str, Any]


def sign(message: bytes, hex_key: str) -> str:
    """Adyen's signature: HMAC-SHA256 in base64, by a key that is written in hexadecimal."""
    return base64.b64encode(hmac.new(bytes.fromhex(hex_key), message, hashlib.sha256).digest()).decode()


def signed_fields(item: Mapping[str, Any]) -> bytes:
    """The eight fields that an item's signature covers."""
    amount = item.get("amount") or {}
    before = [item.get(name) for name in ("pspReference", "originalReference", "merchantAccountCode")]
    after = [amount.get("value"), amount.get("currency"), item.get("eventCode"), item.get("success")]
    fields = [*before, item.get("merchantReference"), *after]
    return ":".join("" if field is None else str(field) for field in fields).encode()


def signed(item: Mapping[str, Any], hex_key: str) -> Item:
    """The item with its signature."""
    extra = {**(item.get("additionalData") or {}), "hmacSignature": sign(signed_fields(item), hex_key)}
    return {**item, "additionalData": extra}


def body_of(items: Sequence[Mapping[str, Any]]) -> bytes:
    """The body of a standard webhook."""
    holders = [{"NotificationRequestItem": item} for item in items]
    return json.dumps({"live": "false", "notificationItems": holders}).encode()


def event_date(moment: datetime) -> str:
    """A time as events have it."""
    return moment.isoformat(timespec="seconds")
