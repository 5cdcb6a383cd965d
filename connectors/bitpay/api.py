"""BitPay's API: each request with its facade's token, and signed where the facade asks for it."""

import hashlib
import uuid
from collections.abc import Awaitable
from http import HTTPMethod
from urllib.parse import quote, urlencode

from connectors.bitpay.errors import GATEWAY_NAME, read_answer
from connectors.bitpay.registration import BitPayCredentials
from connectors.bitpay.signing import identity_of, read_key, sign
from connectors.http_client import Effect, GatewayHttp, GatewayResponse, encode_json
from connectors.outcomes import Timeouts, is_about_credentials, nothing_moved_yet, reading, unreadable
from connectors.payloads import Payload, as_object, as_objects, require_identifier
from domain.errors import GatewayRejected

API_BASES = {"live": "https://bitpay.com", "test": "https://test.bitpay.com"}
API_VERSION = "2.0.0"

_KEY_BYTES = 16
_JSON = {"Content-Type": "application/json"}


class BitPayApi:
    """One account's access to BitPay. Close it with `aclose`."""

    def __init__(self, credentials: BitPayCredentials, timeouts: Timeouts) -> None:
        self._base = credentials.api_base or API_BASES[credentials.environment]
        self._pos_token = credentials.pos_token.get_secret_value()
        merchant_token, private_key = credentials.merchant_token, credentials.private_key
        self._merchant_token = merchant_token.get_secret_value() if merchant_token is not None else None
        self._key = read_key(private_key.get_secret_value()) if private_key is not None else None
        self._http = GatewayHttp(GATEWAY_NAME, self._base, timeouts, headers={"X-Accept-Version": API_VERSION})

    @property
    def has_merchant_facade(self) -> bool:
        """Say whether the account can cancel, refund, and read refunds."""
        return self._key is not None

    async def create_invoice(self, invoice: Payload) -> Payload:
        """Create an invoice by the facade pos."""
        body = encode_json({**invoice, "token": self._pos_token})
        response = await self._http.send("POST", "/invoices", Effect.WRITES, content=body, headers=_JSON)
        return _data_in(response)

    async def invoice(self, invoice_id: str) -> Payload:
        """Return an invoice by the facade pos."""
        query = urlencode({"token": self._pos_token})
        return _data_in(await self._http.read(f"/invoices/{quote(invoice_id, safe='')}?{query}"))

    async def find_invoice(self, guid: str) -> Payload | None:
        """Return the invoice that an earlier request with the same guid made; None when there is none."""
        query = urlencode({"token": self._pos_token})
        return await _found(self._http.read(f"/invoices/guid/{guid}?{query}"))

    async def cancel_invoice(self, invoice_id: str) -> Payload:
        """Cancel an invoice, which BitPay refuses when it may have been paid and nobody could be told."""
        path = f"/invoices/{quote(invoice_id, safe='')}"
        return _data_in(await self._merchant(HTTPMethod.DELETE, path, {"forceCancel": "false"}))

    async def create_refund(self, refund: Payload) -> Payload:
        """Ask for a refund."""
        return _data_in(await self._merchant(HTTPMethod.POST, "/refunds", body=refund))

    async def find_refund(self, guid: str) -> Payload | None:
        """Return the refund that an earlier request with the same guid asked for; None when there is none."""
        return await _found(self._merchant(HTTPMethod.GET, f"/refunds/guid/{guid}"))

    async def refunds_of(self, invoice_id: str) -> list[Payload]:
        """Return the refunds of an invoice, BitPay's own among them."""
        response = await self._merchant(HTTPMethod.GET, "/refunds", {"invoiceId": invoice_id})
        data = read_answer(response).get("data")
        if not isinstance(data, list):
            raise unreadable(GATEWAY_NAME)
        return as_objects(data)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    async def _merchant(
        self, method: HTTPMethod, path: str, query: Payload | None = None, *, body: Payload | None = None
    ) -> GatewayResponse:
        """Send a request by the facade merchant: the token in the query, or in the body where there is one."""
        if self._key is None or self._merchant_token is None:
            text = f"{GATEWAY_NAME} cancels and refunds only with a merchant token and its private key"
            raise GatewayRejected(text, field="merchant_token")
        token = {"token": self._merchant_token}
        content = b"" if body is None else encode_json({**body, **token})
        if body is None:
            path += f"?{urlencode({**token, **(query or {})})}"
        signature = sign(self._key, self._base + path, content)
        headers = {**_JSON, "X-Identity": identity_of(self._key), "X-Signature": signature}
        effect = Effect.READS if method is HTTPMethod.GET else Effect.WRITES
        return await self._http.send(method.value, path, effect, headers=headers, content=content or None)


def guid_of(idempotency_key: str) -> str:
    """Return the guid that stands for an idempotency key: a UUID made of the key's digest."""
    return str(uuid.UUID(bytes=hashlib.sha256(idempotency_key.encode()).digest()[:_KEY_BYTES], version=4))


async def _found(answer: Awaitable[GatewayResponse]) -> Payload | None:
    """What a look-up brought, which comes before the call that matters: without an answer nothing has happened yet."""
    try:
        with nothing_moved_yet():
            return _data_in(await answer)
    except GatewayRejected as error:
        # In which words BitPay says that there is no such thing is not documented.
        if is_about_credentials(error):
            raise
        return None


def _data_in(response: GatewayResponse) -> Payload:
    with reading(GATEWAY_NAME):
        data = as_object(read_answer(response).get("data"), "the answer's data")
        require_identifier(data, "id")
    return data
