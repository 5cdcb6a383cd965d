"""Asking PayPal itself whether a callback is genuine, for when its certificate cannot be had.

PayPal answers about the bytes it sent. The event is put into the question as it came: written anew, it would be other
bytes, and no signature would be good for them.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple

from connectors.base import Callback
from connectors.http_client import encode_json
from connectors.outcomes import nothing_moved_yet, unreadable
from connectors.payloads import parse_object
from connectors.paypal.api import PayPalApi
from connectors.paypal.bounded_cache import BoundedCache
from connectors.paypal.errors import GATEWAY_NAME
from connectors.paypal.signatures import ALGORITHM, Transmission
from domain.errors import MalformedPayload, VerificationFailed

PATH = "/v1/notifications/verify-webhook-signature"
KEEP_SECONDS = 600.0
MAX_CONFIRMED = 1024


class Postback:
    """Asks PayPal, and remembers for a while which callbacks it has called its own."""

    def __init__(self, api: PayPalApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._confirmed: BoundedCache[str] = BoundedCache(
            max_entries=MAX_CONFIRMED, keep_seconds=KEEP_SECONDS, clock=clock
        )

    def has_confirmed(self, transmission: Transmission, callback: Callback, webhook_ids: Sequence[str]) -> bool:
        """Say whether PayPal has called this very callback its own, for one of the webhooks."""
        return any(self._confirmed.get(_digest(transmission, callback, each)) == each for each in webhook_ids)

    async def confirm(self, transmission: Transmission, callback: Callback, webhook_ids: Sequence[str]) -> None:
        """Ask PayPal.

        Raises VerificationFailed when it does not know the callback, GatewayUnavailable when it cannot be asked now.
        """
        if self.has_confirmed(transmission, callback, webhook_ids):
            return
        for webhook_id in webhook_ids:
            if await self._is_genuine(transmission, callback, webhook_id):
                self._confirmed.keep(_digest(transmission, callback, webhook_id), webhook_id)
                return
        raise VerificationFailed("PayPal does not know the callback", code="signature_invalid")

    async def _is_genuine(self, transmission: Transmission, callback: Callback, webhook_id: str) -> bool:
        with nothing_moved_yet():
            answer = await self._api.ask(PATH, question(transmission, callback.body, webhook_id))
            status = answer.get("verification_status")
            if status not in {"SUCCESS", "FAILURE"}:
                raise unreadable(GATEWAY_NAME)
        return bool(status == "SUCCESS")


def question(transmission: Transmission, body: bytes, webhook_id: str) -> bytes:
    """Write the question, with the callback's body in it byte for byte.

    Raises VerificationFailed for a body that is no JSON object by itself: it could change what is asked.
    """
    try:
        parse_object(body)
    except MalformedPayload as error:
        raise VerificationFailed("the body is not what PayPal signed", code="signature_invalid") from error
    about = encode_json(
        {
            "auth_algo": ALGORITHM,
            "cert_url": transmission.certificate_url,
            "transmission_id": transmission.transmission_id,
            "transmission_sig": transmission.signature,
            "transmission_time": transmission.transmission_time,
            "webhook_id": webhook_id,
        }
    )
    return about.removesuffix(b"}") + b',"webhook_event":' + body + b"}"


def _digest(transmission: Transmission, callback: Callback, webhook_id: str) -> str:
    told = "\n".join((*astuple(transmission), webhook_id)).encode()
    return hashlib.sha256(told + b"\n" + callback.body).hexdigest()
