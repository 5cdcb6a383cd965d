"""Coinbase Commerce: charges, each with a page that is open for an hour. The product is closed to new payments.

Commerce knows no idempotency key. A charge carries a digest of the command that made it, so that the same command finds
it again among the newest.
"""

import hashlib
from urllib.parse import quote

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
    Source,
    facts_of_charge,
    map_status,
    read_charge_price,
    status_of_charge,
)
from connectors.http_client import Effect, GatewayHttp
from connectors.outcomes import Timeouts, nothing_moved_yet, reading, unreadable
from connectors.payloads import Payload, as_object, as_objects, part_of, require_identifier
from domain.errors import CapabilityMissing, GatewayRejected
from domain.facts import FactKind

API_BASE = "https://api.commerce.coinbase.com"
API_VERSION = "2018-03-22"
NEWEST = 100
"""How many charges are looked through for one that was made before; the longest page that Commerce gives."""

MAX_NAME_LENGTH = 100


class CommerceApi:
    """One account's access to Coinbase Commerce. Close it with `aclose`."""

    def __init__(self, credentials: CoinbaseCredentials, timeouts: Timeouts) -> None:
        api_key = credentials.api_key.get_secret_value() if credentials.api_key is not None else ""
        headers = {"X-CC-Api-Key": api_key, "X-CC-Version": API_VERSION}
        self._http = GatewayHttp(GATEWAY_NAME, credentials.api_base or API_BASE, timeouts, headers=headers)
        self._return_url = credentials.return_url

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        """Create a charge, to be paid on its page."""
        refuse_unexpressible(request)
        charge = await self._create(request, request.return_url or self._return_url)
        return _answer(charge, request.account, {"redirect_url": page_of(charge, "hosted_url")})

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        """Cancel a charge that nobody has paid."""
        return _answer(await self._cancel(request.provider_reference), request.account)

    async def refund(self, _: MovementRequest) -> GatewayAnswer:
        """Raise CapabilityMissing: Commerce has no refunds in its API."""
        raise CapabilityMissing("Coinbase Commerce does not give money back")

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        """Return what Commerce knows of the charge, which may also be named by its code."""
        return _answer(await self._read(request.provider_reference), request.account)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        """Create a charge whose page is handed on.

        Raises GatewayRejected for a link that expires at a time of its own: a charge's page is open for an hour.
        """
        refuse_unexpressible(request)
        if request.expires_at is not None:
            raise GatewayRejected("Coinbase Commerce closes every page after an hour", field="expires_at")
        charge = await self._create(request, self._return_url)
        return PaymentLinkAnswer(provider_reference=_id_of(charge), url=page_of(charge, "hosted_url"))

    async def cancel_payment_link(self, provider_reference: str) -> None:
        """Cancel the charge behind a link.

        Doing so again does nothing; raises GatewayRejected for one that was paid.
        """
        try:
            await self._cancel(provider_reference)
        except GatewayRejected:
            status, _ = status_of_charge(await self._read(provider_reference))
            if map_status("charge", status) is not FactKind.CANCELLED:
                raise

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    async def _create(self, request: OrderRequest | PaymentLinkRequest, return_url: str | None) -> Payload:
        made_before = await self._find(request)
        if made_before is not None:
            return made_before
        description = (request.description or request.payment_id)[:MAX_DESCRIPTION_LENGTH]
        price = {
            "amount": write_decimal(GATEWAY_NAME, request.amount_minor, request.currency),
            "currency": request.currency,
        }
        body: dict[str, object] = {
            "name": description[:MAX_NAME_LENGTH],
            "description": description,
            "pricing_type": "fixed_price",
            "local_price": price,
            "metadata": {**metadata_of(request), "command": _mark_of(request)},
        }
        if return_url is not None:
            body |= {"redirect_url": return_url, "cancel_url": return_url}
        response = await self._http.send("POST", "/charges", Effect.WRITES, json_body=body)
        return _charge_in(read_answer(response))

    async def _find(self, request: OrderRequest | PaymentLinkRequest) -> Payload | None:
        """Return the charge that an earlier request of the same command made, if it is among the newest."""
        mark = _mark_of(request)
        with nothing_moved_yet():
            response = await self._http.read("/charges", params={"limit": str(NEWEST), "order": "desc"})
            answer = read_answer(response)
            if not isinstance(answer.get("data"), list):
                raise unreadable(GATEWAY_NAME)
        for charge in as_objects(answer["data"]):
            if part_of(charge, "metadata").get("command") == mark:
                return charge
        return None

    async def _read(self, reference: str) -> Payload:
        return _charge_in(read_answer(await self._http.read(f"/charges/{quote(reference, safe='')}")))

    async def _cancel(self, reference: str) -> Payload:
        path = f"/charges/{quote(reference, safe='')}/cancel"
        return _charge_in(read_answer(await self._http.send("POST", path, Effect.WRITES)))


def _mark_of(request: OrderRequest | PaymentLinkRequest) -> str:
    return hashlib.sha256(request.idempotency_key.encode()).hexdigest()


def _charge_in(answer: Payload) -> Payload:
    with reading(GATEWAY_NAME):
        charge = as_object(answer.get("data"), "the charge")
        require_identifier(charge, "id")
        status_of_charge(charge)
    return charge


def _id_of(charge: Payload) -> str:
    return require_identifier(charge, "id")


def _answer(charge: Payload, account: str, client_parameters: dict[str, str] | None = None) -> GatewayAnswer:
    with reading(GATEWAY_NAME):
        facts = facts_of_charge(charge, Source(account))
        priced = charge.get("pricing_type") != "no_price"
        amount_minor, currency = read_charge_price(charge) if priced else (None, None)
    return GatewayAnswer(
        provider_reference=_id_of(charge),
        facts=tuple(facts),
        client_parameters=client_parameters or {},
        amount_minor=amount_minor,
        currency=currency,
    )
