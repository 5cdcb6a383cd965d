"""Coinbase Business: checkouts, each paid once on its own page.

Links to pay by are checkouts too: Coinbase's separate payment links are on their way out, and cannot be given back
through its API. Those that were made elsewhere are still read.
"""

import hashlib
import time
import uuid
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from connectors.amounts import write_decimal
from connectors.base import (
    GatewayAnswer,
    MovementRequest,
    OrderRequest,
    PaymentLinkAnswer,
    PaymentLinkRequest,
    StatusRequest,
)
from connectors.coinbase.errors import GATEWAY_NAME, read_answer
from connectors.coinbase.registration import CoinbaseCredentials
from connectors.coinbase.requests import (
    MAX_DESCRIPTION_LENGTH,
    metadata_of,
    page_of,
    refuse_unexpressible,
)
from connectors.coinbase.status import (
    USDC,
    Source,
    facts_of_checkout,
    facts_of_refund,
    map_status,
    read_price,
)
from connectors.coinbase.tokens import make_token, read_key
from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.outcomes import Timeouts, reading
from connectors.payloads import Payload, as_object, part_of, require_identifier
from domain.errors import GatewayRejected
from domain.facts import FactKind

API_BASE = "https://business.coinbase.com"
CHECKOUTS, PAYMENT_LINKS = "/api/v1/checkouts", "/api/v1/payment-links"
LINK_LIFETIME = timedelta(days=365)
"""How long a link stays open when nobody says; a checkout by itself closes within a day."""

_KEY_BYTES = 16


class BusinessApi:
    """One account's access to Coinbase Business. Close it with `aclose`."""

    def __init__(self, credentials: CoinbaseCredentials, timeouts: Timeouts) -> None:
        private_key = credentials.cdp_private_key
        base = credentials.api_base or API_BASE
        self._key_id = credentials.cdp_key_id or ""
        self._key = read_key(private_key.get_secret_value() if private_key is not None else "")
        self._host = urlsplit(base).netloc
        self._prefix = "/sandbox" if credentials.sandbox else ""
        self._http = GatewayHttp(GATEWAY_NAME, base, timeouts)
        self._return_url = credentials.return_url
        self._prices_in_usdc = credentials.pricing == "usdc"

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create a checkout, to be paid on its page. The same idempotency key again returns the same one."""
        refuse_unexpressible(request)
        body = self._priced(request, request.return_url or self._return_url)
        checkout = await self._write(CHECKOUTS, request.idempotency_key, body)
        return self._answer(checkout, request.account, {"redirect_url": page_of(checkout, "url")})

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Deactivate a checkout that nobody has paid."""
        checkout = await self._deactivate(request.provider_reference)
        return self._answer(checkout, request.account)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        """Refund the amount; the answer is pending until Coinbase has sent the money."""
        body = {
            "amount": write_decimal(GATEWAY_NAME, request.amount_minor, request.currency),
            "currency": self._wire_currency(request.currency),
        }
        if request.reason is not None:
            body["reason"] = request.reason[:MAX_DESCRIPTION_LENGTH]
        path = f"{CHECKOUTS}/{quote(request.provider_reference, safe='')}/refund"
        answer = await self._write(path, request.idempotency_key, body)
        source = self._source(request.account)
        with reading(GATEWAY_NAME):
            refund = as_object(answer.get("refund"), "the refund")
            facts = facts_of_refund(refund, {"id": request.provider_reference, **part_of(answer, "checkout")}, source)
        return GatewayAnswer(provider_reference=request.provider_reference, facts=tuple(facts))

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Business knows of the checkout and its refunds, or of a payment link that was made elsewhere."""
        name = quote(request.provider_reference, safe="")
        response = await self._get(f"{CHECKOUTS}/{name}")
        if response.status_code == HTTPStatus.NOT_FOUND:
            response = await self._get(f"{PAYMENT_LINKS}/{name}")
        return self._answer(read_answer(response), request.account)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Create a checkout whose page is handed on."""
        refuse_unexpressible(request)
        expires_at = request.expires_at or datetime.now(UTC) + LINK_LIFETIME
        body = self._priced(request, self._return_url) | {"expiresAt": _rfc3339(expires_at)}
        checkout = await self._write(CHECKOUTS, request.idempotency_key, body)
        return PaymentLinkAnswer(provider_reference=_id_of(checkout), url=page_of(checkout, "url"))

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Deactivate the checkout behind a link.

        Doing so again does nothing; raises GatewayRejected for one that was paid.
        """
        try:
            await self._deactivate(provider_reference)
        except GatewayRejected:
            checkout = read_answer(await self._get(f"{CHECKOUTS}/{quote(provider_reference, safe='')}"))
            if map_status("checkout", str(checkout.get("status"))) is not FactKind.CANCELLED:
                raise

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    def _priced(self, request: OrderRequest | PaymentLinkRequest, return_url: str | None) -> dict[str, object]:
        body: dict[str, object] = {
            "amount": write_decimal(GATEWAY_NAME, request.amount_minor, request.currency),
            "currency": self._wire_currency(request.currency),
            "description": (request.description or request.payment_id)[:MAX_DESCRIPTION_LENGTH],
            "metadata": metadata_of(request),
        }
        if return_url is not None:
            body |= {"successRedirectUrl": return_url, "failRedirectUrl": return_url}
        return body

    def _wire_currency(self, currency: str) -> str:
        if not self._prices_in_usdc:
            return currency
        if currency != "USD":
            text = f"this account's checkouts are priced in {USDC}, which stands for US dollars alone"
            raise GatewayRejected(text, field="currency")
        return USDC

    async def _deactivate(self, reference: str) -> Payload:
        return await self._write(f"{CHECKOUTS}/{quote(reference, safe='')}/deactivate", None, None)

    async def _get(self, path: str) -> GatewayResponse:
        return await self._http.read(self._prefix + path, headers=self._authorization("GET", path))

    async def _write(self, path: str, idempotency_key: str | None, body: Payload | None) -> Payload:
        headers = self._authorization("POST", path)
        if idempotency_key is not None:
            headers["X-Idempotency-Key"] = key_of(idempotency_key)
        response = await self._http.send("POST", self._prefix + path, Effect.WRITES, headers=headers, json_body=body)
        return read_answer(response)

    def _authorization(self, method: str, path: str) -> dict[str, str]:
        now_seconds = int(time.time())
        token = make_token(self._key_id, self._key, method, self._host, self._prefix + path, now_seconds)
        return {"Authorization": f"Bearer {token}"}

    def _source(self, account: str) -> Source:
        return Source(account, counts_usdc_as_usd=self._prices_in_usdc)

    def _answer(
        self, checkout: Payload, account: str, client_parameters: dict[str, str] | None = None
    ) -> GatewayAnswer:
        source = self._source(account)
        with reading(GATEWAY_NAME):
            facts = facts_of_checkout(checkout, source)
            amount_minor, currency = read_price(checkout, source)
        return GatewayAnswer(
            provider_reference=_id_of(checkout),
            facts=tuple(facts),
            client_parameters=client_parameters or {},
            amount_minor=amount_minor,
            currency=currency,
        )


def key_of(idempotency_key: str) -> str:
    """Return the idempotency key as Business takes it: a UUID of version 4, here made of the given key's digest."""
    digest = hashlib.sha256(idempotency_key.encode()).digest()
    return str(uuid.UUID(bytes=digest[:_KEY_BYTES], version=4))


def _id_of(checkout: Payload) -> str:
    with reading(GATEWAY_NAME):
        return require_identifier(checkout, "id")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
