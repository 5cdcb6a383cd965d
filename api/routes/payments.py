"""Payments: create, list, read, describe."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.expansion import Expand, expanded_of
from api.idempotency import new_id_of
from api.pagination import Page, PageDependency, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.filters import Moment, PathId, TextFilter
from api.schemas.payments import (
    CreatePaymentRequest,
    PaymentResponse,
    UpdatePaymentRequest,
    payment_response,
)
from domain.payment import Status
from services.api_keys import Scope
from services.payment_queries import Description, describe_payment, find_payments, get_payment, version_of
from storage.payment_list import PaymentFilter
from topics.message import Currency, Name

ROUTER = router("payments")
WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
GATEWAY_PROBLEMS = problem_responses(402, 502, 503, 504)


@ROUTER.post(
    "/payments",
    status_code=201,
    dependencies=WRITES,
    responses=GATEWAY_PROBLEMS | {202: {"model": PaymentResponse, "description": "The gateway has not answered yet."}},
)
async def create_payment(
    request: Request,
    response: Response,
    body: CreatePaymentRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> PaymentResponse:
    """Create a payment and set it up at its gateway."""
    payment_id = new_id_of(request, caller, "pay")
    result = await run_command(
        request,
        context,
        caller,
        "create_payment",
        payment_id=payment_id,
        gateway=body.gateway,
        **body.content(),
    )
    if result.outcome == "unknown":
        response.status_code = 202
    payment = await get_payment(caller.database, caller.account, payment_id)
    response.headers["Location"] = f"/v1/payments/{payment_id}"
    response.headers["ETag"] = f'"{version_of(payment)}"'
    return payment_response(payment, result)


@ROUTER.get("/payments")
async def list_payments(
    caller: CallerDependency,
    page: PageDependency,
    status: Status | None = None,
    gateway: Name | None = None,
    resource_type: TextFilter = None,
    resource_id: TextFilter = None,
    user_id: TextFilter = None,
    currency: Currency | None = None,
    provider_reference: TextFilter = None,
    created_from: Moment = None,
    created_before: Moment = None,
) -> Page[PaymentResponse]:
    """List the account's payments, the newest first unless `order` says otherwise."""
    wanted = PaymentFilter(
        account=caller.account,
        status=status,
        gateway=gateway,
        resource_type=resource_type,
        resource_id=resource_id,
        user_id=user_id,
        currency=currency,
        provider_reference=provider_reference,
        created_from=created_from,
        created_before=created_before,
    )
    found, following = await find_payments(
        caller.database, wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([payment_response(payment) for payment in found], following)


@ROUTER.get("/payments/{payment_id}")
async def read_payment(
    payment_id: PathId, response: Response, caller: CallerDependency, expand: Expand = None
) -> PaymentResponse:
    """Read one payment. Its `ETag` can be sent back as `If-Match` with an update."""
    payment = await get_payment(caller.database, caller.account, payment_id)
    response.headers["ETag"] = f'"{version_of(payment)}"'
    return payment_response(payment, expanded=await expanded_of(caller, payment_id, expand))


@ROUTER.patch("/payments/{payment_id}", dependencies=WRITES, responses=problem_responses(412))
async def update_payment(
    payment_id: PathId,
    response: Response,
    body: UpdatePaymentRequest,
    caller: CallerDependency,
    context: ContextDependency,
    if_match: Annotated[str | None, Header(max_length=100)] = None,
) -> PaymentResponse:
    """Change what describes a payment; with `If-Match`, only if nobody else has changed it meanwhile."""
    now: datetime = context.clock()
    payment = await describe_payment(
        caller.database,
        caller.account,
        payment_id,
        Description(description=body.description, user_name=body.user_name, metadata=body.metadata),
        actor=caller.actor,
        request_id=caller.request_id,
        now=now,
        if_match=None if if_match is None else if_match.strip('"'),
    )
    response.headers["ETag"] = f'"{version_of(payment)}"'
    return payment_response(payment)
