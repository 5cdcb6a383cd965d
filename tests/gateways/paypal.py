"""A local PayPal, written from its published API: tokens, orders, payments, the vault, disputes and signed events.

Run it with `python -m tests.gateways.paypal --port N`. It signs with a certificate of its own authority, both made at
start; `GET /_control/authority` is the authority's certificate, for the credentials.

What happens by API calls is posted as events by `/_control/settle`. `/_control/pay/{order or setup token}` approves:
after `failed` what the payer chose is declined when the order is completed.
"""

import base64
import json
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.gateways.local_gateway import Handler, LocalGateway, Outgoing, serve
from tests.gateways.paypal_signer import Authority, Signer, message_of
from tests.gateways.paypal_state import Item, PayPalState, Refusal, find
from tests.gateways.paypal_vault import PayPalVault

CLIENT_ID, CLIENT_SECRET = "local-paypal-client", "local-paypal-secret"
WEBHOOK_ID = "8PT597110X687430L"
CERTIFICATE_PATH = "/v1/notifications/certs/CERT-360caa42-local"
MAX_REQUEST_ID_LENGTH = 108
TOKEN_SECONDS = 32_400

Act = Callable[[Request, Item], Item]


class LocalPayPal(LocalGateway):
    """One account at PayPal, with one app and one webhook."""

    def __init__(self, signer: Signer | None = None) -> None:
        super().__init__()
        self.state = PayPalState(self.movements)
        self.vault = PayPalVault(self.state)
        self.signer = signer or Signer()
        self.certificate_served = "as it is"
        """How the signing certificate is served; otherwise it is `missing`, `down`, `moved` or `untrusted`."""
        self.tokens: set[str] = set()
        """The access tokens that are good."""
        self.requests: Counter[str] = Counter()
        """How often each path was asked for."""
        self.answered: dict[tuple[str, str], tuple[Item, Item]] = {}
        """What was asked and what was answered, by path and request id."""
        self.client_secret = CLIENT_SECRET
        self.shown_once: dict[str, Item] = {}
        """How an order is shown the next time, as it was before somebody else completed it."""
        self.not_completed: dict[str, str] = {}
        """The issues for which orders cannot be completed, by order."""
        self._own_url = ""

    def api_routes(self) -> list[Route]:
        """The documented API, and the one control that only this gateway has."""
        state, vault = self.state, self.vault
        orders, payments, tokens = "/v2/checkout/orders", "/v2/payments", "/v3/vault"
        return [
            Route("/v1/oauth2/token", self._give_token, methods=["POST"]),
            Route(CERTIFICATE_PATH, self._serve_certificate),
            self.reads("/v1/notifications/verify-webhook-signature", self._verify, "POST"),
            self.writes(orders, self._act(self._create_order)),
            self.reads(f"{orders}/{{id}}", self._act(self._get_order)),
            self.writes(f"{orders}/{{id}}/{{action:str}}", self._act(self._complete_order)),
            self.writes(
                f"{payments}/authorizations/{{id}}/capture",
                self._act(lambda request, body: state.capture_authorization(name_in(request), body)),
            ),
            self.writes(
                f"{payments}/authorizations/{{id}}/void", self._act(lambda request, _: state.void(name_in(request)))
            ),
            self.writes(
                f"{payments}/captures/{{id}}/refund",
                self._act(lambda request, body: state.refund(name_in(request), body)),
            ),
            self.writes(f"{tokens}/setup-tokens", self._act(lambda _, body: vault.create_setup(body))),
            self.reads(
                f"{tokens}/setup-tokens/{{id}}", self._act(lambda request, _: find(vault.setups, name_in(request)))
            ),
            self.writes(f"{tokens}/payment-tokens", self._act(lambda _, body: vault.create_token(body))),
            self.reads(
                f"{tokens}/payment-tokens",
                self._act(lambda request, _: vault.tokens_of(request.query_params["customer_id"])),
            ),
            self.reads(
                f"{tokens}/payment-tokens/{{id}}", self._act(lambda request, _: find(vault.tokens, name_in(request)))
            ),
            self.reads(
                "/v1/customer/disputes",
                self._act(lambda request, _: vault.disputes_about(request.query_params["disputed_transaction_id"])),
            ),
            self.reads("/v1/customer/disputes/{id}", self._act(lambda request, _: vault.get_dispute(name_in(request)))),
            Route("/_control/authority", self._show_authority),
        ]

    def refuse(self, request: Request) -> Response | None:
        """PayPal wants an access token that it gave out."""
        self._own_url = str(request.base_url).rstrip("/")
        self.requests[request.url.path] += 1
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens:
            return None
        error = {"error": "invalid_token", "error_description": "Token signature verification failed"}
        return JSONResponse(error, 401)

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer approves an order or a setup token, or lets it be."""
        if reference in self.vault.setups:
            self.vault.approve(reference)
        elif outcome == "cancelled":
            self.state.reverse_approval(reference)
        else:
            self.state.approve(reference, declining=outcome == "failed")
        return self._take_events()

    def settle(self) -> Sequence[Outgoing]:
        """Bring what is pending to its end, and tell of everything that has happened."""
        self.state.settle()
        return self._take_events()

    def _act(self, act: Act) -> Handler:
        """A handler of JSON. What writes is answered once for each request id."""

        async def handle(request: Request) -> Response:
            content = await request.body()
            body: Item = json.loads(content) if content else {}
            try:
                answer = act(request, body) if request.method == "GET" else self._once(act, request, body)
            except Refusal as refusal:
                return JSONResponse(refusal.body, refusal.status)
            return JSONResponse(answer, 200 if request.method == "GET" else 201)

        return handle

    def _once(self, act: Act, request: Request, body: Item) -> Item:
        name = request.headers.get("paypal-request-id", "")
        if not 0 < len(name) <= MAX_REQUEST_ID_LENGTH:
            raise Refusal("PAYPAL_REQUEST_ID_REQUIRED", "A PayPal-Request-Id is required.", 400)
        if request.headers.get("prefer") != "return=representation":
            raise Refusal("MINIMAL_ANSWER", "This stand-in answers as a whole only.", 400)
        known = self.answered.get((request.url.path, name))
        if known is None:
            # A snapshot, so that a repeated request is answered as it was then.
            known = (body, json.loads(json.dumps(act(request, body))))
            self.answered[request.url.path, name] = known
        if known[0] != body:
            raise Refusal("PAYPAL_REQUEST_ID_PREVIOUSLY_USED", "It was used for another request.")
        return known[1]

    def _create_order(self, _: Request, body: Item) -> Item:
        return self.state.create_order(body, self.vault.payer_of(body, present=False))

    def _get_order(self, request: Request, _: Item) -> Item:
        name = name_in(request)
        return self.shown_once.pop(name, None) or self.state.order(name)

    def _complete_order(self, request: Request, body: Item) -> Item:
        if (issue := self.not_completed.get(name_in(request))) is not None:
            raise Refusal(issue, "The account is not set up for this.")
        paid_by = self.vault.payer_of(body, present=True)
        return self.state.complete_order(name_in(request), request.path_params["action"], paid_by)

    async def _give_token(self, request: Request) -> Response:
        self.requests[request.url.path] += 1
        pair = base64.b64encode(f"{CLIENT_ID}:{self.client_secret}".encode()).decode()
        form = parse_qs((await request.body()).decode())
        if request.headers.get("authorization") != f"Basic {pair}" or form != {"grant_type": ["client_credentials"]}:
            error = {"error": "invalid_client", "error_description": "Client Authentication failed"}
            return JSONResponse(error, 401)
        token = f"A21AA{secrets.token_urlsafe(40)}"
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    async def _serve_certificate(self, request: Request) -> Response:
        self.requests[request.url.path] += 1
        if self.certificate_served == "missing":
            return PlainTextResponse("not found", 404)
        if self.certificate_served == "down":
            return PlainTextResponse("try again", 503)
        if self.certificate_served == "moved":
            return RedirectResponse(f"{CERTIFICATE_PATH}-elsewhere", 302)
        is_trusted = self.certificate_served == "as it is"
        certificate = self.signer.certificate if is_trusted else Authority().issue(self.signer.key)
        return PlainTextResponse(certificate.decode())

    async def _verify(self, request: Request) -> Response:
        content = await request.body()
        asked: Item = json.loads(content)
        # The signature is for the bytes that were sent, so they are taken as they stand in the question.
        event = content.partition(b'"webhook_event":')[2].removesuffix(b"}")
        message = message_of(asked["transmission_id"], asked["transmission_time"], asked["webhook_id"], event)
        try:
            signature = base64.b64decode(asked["transmission_sig"])
            self.signer.key.public_key().verify(signature, message, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return JSONResponse({"verification_status": "FAILURE"})
        return JSONResponse({"verification_status": "SUCCESS"})

    def _take_events(self) -> list[Outgoing]:
        events, self.state.events[:] = list(self.state.events), []
        return [self.signed(*event) for event in events] if self.callback_url else []

    def signed(self, event_type: str, kind: str, resource: Item) -> Outgoing:
        """Build an event and sign it."""
        sent_at = datetime.now(UTC)
        event = {
            "id": f"WH-{secrets.token_hex(8).upper()}-{secrets.token_hex(8).upper()}",
            "event_version": "1.0",
            "create_time": sent_at.isoformat(),
            "resource_type": kind,
            "event_type": event_type,
            "resource": resource,
        }
        if kind != "dispute":
            event["resource_version"] = "2.0"
        body = json.dumps(event).encode()
        return Outgoing(body, self.signer.headers(body, WEBHOOK_ID, self._own_url + CERTIFICATE_PATH, sent_at))

    async def _show_authority(self, _: Request) -> Response:
        return PlainTextResponse(self.signer.authority.pem())


def name_in(request: Request) -> str:
    """The name in a request's path."""
    return str(request.path_params["id"])


if __name__ == "__main__":
    serve(LocalPayPal(), "a local PayPal")
