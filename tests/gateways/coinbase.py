"""A local Coinbase with both products, written from their documented APIs: Commerce and Business.

It checks the key and version of Commerce's requests and the token of Business's: its signature, its two minutes, and
that it is for this request and no other. Payers pay on pages that `/_control/pay/{id}` stands for.

Run it with `python -m tests.gateways.coinbase --port N`.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gateways.coinbase_business import Business
from tests.gateways.coinbase_commerce import Commerce
from tests.gateways.local_gateway import LocalGateway, Outgoing, serve

API_KEY = "local-commerce-api-key"
CDP_KEY_ID = "organizations/local/apiKeys/1"
WEBHOOK_SECRET = "local-coinbase-webhook-secret"
TOKEN_SECONDS = 120

_KEY = ec.derive_private_key(int.from_bytes(b"a key of the local Coinbase's own"[:32], "big"), ec.SECP256R1())
CDP_PRIVATE_KEY = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class LocalCoinbase(LocalGateway):
    """One account at both products."""

    def __init__(self) -> None:
        super().__init__()
        self._business = Business(self.movements)
        self._commerce = Commerce(self.movements)

    def api_routes(self) -> list[Route]:
        """Both products' routes, Business's also under the prefix of its sandbox."""
        business, commerce = self._business, self._commerce
        routes = [
            self.writes("/charges", commerce.create),
            self.reads("/charges", commerce.newest),
            self.reads("/charges/{reference}", commerce.get),
            self.writes("/charges/{reference}/cancel", commerce.cancel),
        ]
        for prefix in ("", "/sandbox"):
            base = f"{prefix}/api/v1"
            routes += [
                self.writes(f"{base}/checkouts", business.create),
                self.reads(f"{base}/checkouts/{{id}}", business.get),
                self.writes(f"{base}/checkouts/{{id}}/deactivate", business.deactivate),
                self.writes(f"{base}/checkouts/{{id}}/refund", business.refund),
                self.reads(f"{base}/payment-links/{{id}}", business.get_link),
            ]
        return routes

    def refuse(self, request: Request) -> Response | None:
        """Check Commerce's key, or Business's token."""
        if request.url.path.startswith("/charges"):
            told = (request.headers.get("x-cc-api-key"), request.headers.get("x-cc-version"))
            if told == (API_KEY, "2018-03-22"):
                return None
            return JSONResponse({"error": {"type": "authorization_error", "message": f"no key {told[0]}"}}, 401)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if is_good_token(token, f"{request.method} {request.headers['host']}{request.url.path}"):
            return None
        return JSONResponse({"errorType": "unauthorized", "errorMessage": f"no token {token}"}, 401)

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer pays what is known by this name, or does not."""
        if self._business.knows(reference):
            return [outgoing_business(event) for event in self._business.pay(reference, outcome)]
        return [outgoing_commerce(event) for event in self._commerce.pay(reference, outcome)]

    def settle(self) -> Sequence[Outgoing]:
        """Business sends the money of its refunds."""
        return [outgoing_business(event) for event in self._business.settle()]


def outgoing_commerce(event: object) -> Outgoing:
    """An event of Commerce as it is posted."""
    body = json.dumps(event).encode()
    signature = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return Outgoing(body=body, headers={"Content-Type": "application/json", "X-CC-Webhook-Signature": signature})


def outgoing_business(event: object) -> Outgoing:
    """An event of Business as it is posted, with both versions of its signature."""
    body, seconds = json.dumps(event).encode(), int(time.time())
    headers = {"Content-Type": "application/json", "X-Event-Id": hashlib.sha256(body).hexdigest()[:32]}
    names = " ".join(headers).lower()
    plain = _hex(f"{seconds}.".encode() + body)
    bound = _hex(f"{seconds}.{names}.{'.'.join(headers.values())}.".encode() + body)
    return Outgoing(body=body, headers={**headers, "X-Hook0-Signature": f"t={seconds},v0={plain},h={names},v1={bound}"})


def is_good_token(token: str, uri: str) -> bool:
    """Say whether a token is signed with the account's key, not too old, and for this very request."""
    parts = token.split(".")
    if len(parts) != 3:
        return False
    header, claims = (json.loads(_decode(part)) for part in parts[:2])
    signature, now = _decode(parts[2]), time.time()
    try:
        _KEY.public_key().verify(
            encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")),
            f"{parts[0]}.{parts[1]}".encode(),
            ec.ECDSA(hashes.SHA256()),
        )
    except InvalidSignature:
        return False
    return (
        {**header, "nonce": ""} == {"alg": "ES256", "kid": CDP_KEY_ID, "typ": "JWT", "nonce": ""}
        and len(header["nonce"]) >= 16
        and (claims["iss"], claims["sub"], claims["uri"]) == ("cdp", CDP_KEY_ID, uri)
        and claims["exp"] - claims["nbf"] <= TOKEN_SECONDS
        and claims["nbf"] - 1 <= now <= claims["exp"]
    )


def _hex(message: bytes) -> str:
    return hmac.new(WEBHOOK_SECRET.encode(), message, hashlib.sha256).hexdigest()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


if __name__ == "__main__":
    serve(LocalCoinbase(), "A local Coinbase.")
