"""Payment links: make, list, read, cancel."""

from typing import Any

from fastapi import Depends, Request, Response

from api.authentication import Caller, CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.context import ApiContext
from api.idempotency import new_id_of
from api.pagination import Page, PageDependency, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.filters import PathId
from api.schemas.payment_links import CreatePaymentLinkRequest, PaymentLinkResponse, payment_link_response
from domain.errors import CapabilityMissing, GatewayRejected, InvalidInput
from domain.payment import Status
from services.api_keys import Scope
from services.available_methods import Purchase
from services.checkout_pages import checked_expiry, close_page, make_page
from services.payment_intents import plan_intent
from services.vault_queries import PaymentLink, find_links, get_link
from storage.vault_list import LinkFilter, LinkHost
from topics.message import Name

ROUTER = router("payment links")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
ANSWERS = problem_responses(402, 502, 503, 504) | {
    202: {"model": PaymentLinkResponse, "description": "The gateway has not answered yet."}
}
NOT_EVERYWHERE = frozenset({"reusable", "expires_at"})
"""What some gateways' links cannot be: then the request asks too much, and nothing is wrong with the gateway."""


@ROUTER.post("/payment-links", status_code=201, dependencies=WRITES, responses=ANSWERS)
async def create_payment_link(
    request: Request,
    response: Response,
    body: CreatePaymentLinkRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> PaymentLinkResponse:
    """Make a payment and a link to pay it by, on a page of the gateway's own or on one of ours.

    The address of a page of ours is told here and never again, because whoever has it can pay: only the same request
    with the same `Idempotency-Key` gets it once more.
    """
    link_id = new_id_of(request, caller, "pay")
    response.headers["Location"] = f"/v1/payment-links/{link_id}"
    if body.hosted_by == "gateway":
        if await _make_at_gateway(request, context, caller, body, link_id) == "unknown":
            response.status_code = 202
        url = None
    else:
        url = await _make_page(request, context, caller, body, link_id)
    link = await get_link(caller.database, caller.account, link_id)
    return payment_link_response(link, context.clock(), url=url)


@ROUTER.get("/payment-links")
async def list_payment_links(
    caller: CallerDependency,
    context: ContextDependency,
    page: PageDependency,
    gateway: Name | None = None,
    hosted_by: LinkHost | None = None,
) -> Page[PaymentLinkResponse]:
    """List the account's payment links, the newest first unless `order` says otherwise."""
    wanted = LinkFilter(account=caller.account, gateway=gateway, hosted_by=hosted_by)
    found, following = await find_links(
        caller.database, wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    now = context.clock()
    return page_of([payment_link_response(link, now) for link in found], following)


@ROUTER.get("/payment-links/{payment_link_id}")
async def read_payment_link(
    payment_link_id: PathId, caller: CallerDependency, context: ContextDependency
) -> PaymentLinkResponse:
    """Read one payment link."""
    link = await get_link(caller.database, caller.account, payment_link_id)
    return payment_link_response(link, context.clock())


@ROUTER.post("/payment-links/{payment_link_id}/cancel", dependencies=WRITES, responses=ANSWERS)
async def cancel_payment_link(
    request: Request,
    response: Response,
    payment_link_id: PathId,
    caller: CallerDependency,
    context: ContextDependency,
) -> PaymentLinkResponse:
    """Make a payment link unusable; one that is so already stays as it is.

    With a page of ours, the payment is cancelled too if nobody has begun to pay. A payer who has gone on to the gateway
    may still pay there: void or refund that payment.
    """
    return await _cancel(request, response, payment_link_id, caller, context)


@ROUTER.delete("/payment-links/{payment_link_id}", dependencies=WRITES, responses=ANSWERS)
async def delete_payment_link(
    request: Request,
    response: Response,
    payment_link_id: PathId,
    caller: CallerDependency,
    context: ContextDependency,
) -> PaymentLinkResponse:
    """Make a payment link unusable: the same as its `cancel`. The link stays readable."""
    return await _cancel(request, response, payment_link_id, caller, context)


async def _make_at_gateway(
    request: Request, context: ApiContext, caller: Caller, body: CreatePaymentLinkRequest, link_id: str
) -> str:
    said = {"gateway": body.gateway, "expires_at": body.expires_at, "reusable": body.reusable}
    try:
        result = await run_command(
            request, context, caller, "create_payment_link", payment_id=link_id, **said, **body.purchase()
        )
    except GatewayRejected as error:
        if error.field in NOT_EVERYWHERE:
            raise CapabilityMissing(error.message, field=error.field) from error
        raise
    return result.outcome


async def _make_page(
    request: Request, context: ApiContext, caller: Caller, body: CreatePaymentLinkRequest, link_id: str
) -> str:
    """Make the payment, then its page; return the page's address."""
    now = context.clock()
    expires_at = checked_expiry(body.expires_at, now)
    plan = await plan_intent(
        caller.database,
        context.gateways,
        caller.account,
        Purchase(currency=body.currency, amount_minor=body.minor(), payment_method=body.payment_method),
        gateway=body.gateway,
        reference=body.resource_id,
    )
    if plan.method is None and body.payment_method is not None:
        raise InvalidInput("the payer chooses the method at the gateway", field="payment_method")
    content = plan.content(body.asked_of_page())
    if plan.method is None:
        content["set_up_at_gateway"] = False
    await run_command(request, context, caller, plan.command, payment_id=link_id, **content)
    token = await make_page(
        caller.database, caller.account, link_id, expires_at=expires_at, return_url=body.return_url, now=now
    )
    return f"{context.settings.api.public_url.rstrip('/')}/pay/{token}"


async def _cancel(
    request: Request, response: Response, link_id: str, caller: Caller, context: ApiContext
) -> PaymentLinkResponse:
    found = await get_link(caller.database, caller.account, link_id)
    if found.link.hosted_by == "paystream":
        await close_page(caller.database, caller.account, link_id, context.clock())
        if _nobody_has_begun(found):
            await run_command(request, context, caller, "cancel", payment_id=found.payment.id)
    else:
        result = await run_command(request, context, caller, "cancel_payment_link", payment_id=link_id)
        if result.outcome == "unknown":
            response.status_code = 202
    return payment_link_response(await get_link(caller.database, caller.account, link_id), context.clock())


def _nobody_has_begun(found: PaymentLink) -> bool:
    payment = found.payment
    return payment.status in {Status.PENDING, Status.PENDING_APPROVAL} and payment.provider_reference is None
