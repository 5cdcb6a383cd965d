"""An account's gateways: configure, read, rotate, test, remove. Secrets go in and never come out."""

from fastapi import Response

from api.authentication import CallerDependency, ContextDependency
from api.changes import SeenTag, WriterDependency
from api.context import ApiContext
from api.pagination import Page, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.gateways import (
    ConfigureGatewayRequest,
    GatewayResponse,
    GatewayTestResponse,
    RotateSecretsRequest,
    gateway_response,
    gateway_test_response,
    revealed,
)
from services.api_keys import Scope
from services.gateway_checks import check_gateway
from services.gateway_configuration import (
    GatewayConfiguration,
    configure_gateway,
    get_gateway,
    list_gateways,
    remove_gateway,
    rotate_secrets,
)
from topics.message import Name

ROUTER = router("gateways", Scope.CREDENTIALS_WRITE)


@ROUTER.get("/accounts/{account}/gateways")
async def list_account_gateways(
    account: Name, caller: CallerDependency, context: ContextDependency
) -> Page[GatewayResponse]:
    """List the account's configured gateways, by name; all of them are on one page."""
    found = await list_gateways(caller.database, context.ring, caller.require_account(account))
    return page_of([gateway_response(each, context.settings.ingress.public_url) for each in found], None)


@ROUTER.get("/accounts/{account}/gateways/{gateway}")
async def read_account_gateway(
    account: Name, gateway: Name, response: Response, caller: CallerDependency, context: ContextDependency
) -> GatewayResponse:
    """Read how a gateway is configured. Its `ETag` can be sent back as `If-Match` with a change."""
    configured = await get_gateway(caller.database, context.ring, caller.require_account(account), gateway)
    return _told(configured, response, context)


@ROUTER.put(
    "/accounts/{account}/gateways/{gateway}",
    responses=problem_responses(412) | {201: {"model": GatewayResponse, "description": "The gateway is new."}},
)
async def configure_account_gateway(
    account: Name,
    gateway: Name,
    response: Response,
    body: ConfigureGatewayRequest,
    caller: CallerDependency,
    context: ContextDependency,
    writer: WriterDependency,
    seen: SeenTag,
) -> GatewayResponse:
    """Store a gateway's credentials and how it is offered; with `If-Match`, only if nobody else has changed it."""
    configured, is_new = await configure_gateway(
        caller.database,
        context.ring,
        caller.require_account(account),
        gateway,
        body.change(),
        writer,
        if_match=seen,
    )
    context.gateways.forget(account, gateway)
    if is_new:
        response.status_code = 201
    return _told(configured, response, context)


@ROUTER.delete("/accounts/{account}/gateways/{gateway}", status_code=204)
async def remove_account_gateway(
    account: Name,
    gateway: Name,
    caller: CallerDependency,
    context: ContextDependency,
    writer: WriterDependency,
) -> None:
    """Delete a gateway's credentials and payment option.

    From then on its callbacks are turned away, and its payments can be neither captured nor refunded: do so when the
    last of them is settled. To take no new payments, set `enabled` to false instead.
    """
    await remove_gateway(caller.database, caller.require_account(account), gateway, writer)
    context.gateways.forget(account, gateway)


@ROUTER.post("/accounts/{account}/gateways/{gateway}/rotate")
async def rotate_gateway_secrets(
    account: Name,
    gateway: Name,
    response: Response,
    body: RotateSecretsRequest,
    caller: CallerDependency,
    context: ContextDependency,
    writer: WriterDependency,
) -> GatewayResponse:
    """Change what callbacks are proven with; the present secrets are accepted further on, until the next rotation.

    Rotatable are the fields with a partner named `previous_…`. Those whose names begin with the same word, such as a
    username and its password, become previous together.
    """
    configured = await rotate_secrets(
        caller.database,
        context.ring,
        caller.require_account(account),
        gateway,
        revealed(body.credentials),
        writer,
        keep_previous=body.keep_previous,
    )
    context.gateways.forget(account, gateway)
    return _told(configured, response, context)


@ROUTER.post("/accounts/{account}/gateways/{gateway}/test")
async def test_account_gateway(
    account: Name, gateway: Name, caller: CallerDependency, context: ContextDependency
) -> GatewayTestResponse:
    """Ask the gateway, with the stored credentials, for a payment that cannot exist.

    Nothing is changed by it. Secrets that only callbacks are proven with are not tried.
    """
    caller.require_account(account)
    await get_gateway(caller.database, context.ring, account, gateway)
    return gateway_test_response(gateway, await check_gateway(context.gateways, account, gateway))


def _told(configured: GatewayConfiguration, response: Response, context: ApiContext) -> GatewayResponse:
    response.headers["ETag"] = f'"{configured.tag}"'
    return gateway_response(configured, context.settings.ingress.public_url)
