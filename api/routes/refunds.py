"""Refunds: ask for one, list, read."""

from typing import Any

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.pagination import Page, PageDependency, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.filters import Moment, PathId, TextFilter
from api.schemas.movements import (
    CreateRefundRequest,
    RefundRequestResponse,
    RefundResponse,
    RefundStatus,
    refund_response,
)
from services.api_keys import Scope
from services.movement_queries import find_movements, find_movements_of_payment, find_refund_of, get_movement
from services.payment_queries import get_payment
from storage.movement_list import MovementFilter
from topics.message import Name

ROUTER = router("refunds")

WRITES: list[Any] = [Depends(requires(Scope.REFUNDS_WRITE))]
ANSWERS = problem_responses(402, 502, 503, 504) | {
    202: {"model": RefundRequestResponse, "description": "The gateway has not told of the refund yet."}
}


@ROUTER.post(
    "/refunds",
    status_code=201,
    dependencies=WRITES,
    response_model=RefundResponse,
    responses=ANSWERS,
)
async def create_refund(
    request: Request,
    response: Response,
    body: CreateRefundRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> RefundResponse | Response:
    """Refund a payment, or a part of it."""
    payment = await get_payment(caller.database, caller.account, body.payment_id)
    result = await run_command(
        request,
        context,
        caller,
        "refund",
        payment_id=payment.id,
        amount_minor=body.minor(payment.terms.currency),
        reason=body.reason,
    )
    refund = await find_refund_of(caller.database, result)
    if refund is not None:
        shown = refund_response(refund)
        response.headers["Location"] = f"/v1/refunds/{shown.id}"
        return shown
    asked = RefundRequestResponse(
        payment_id=payment.id,
        gateway=payment.terms.gateway,
        status="unknown" if result.outcome == "unknown" else "pending",
        amount_minor=result.amount_minor,
        currency=payment.terms.currency,
    )
    return JSONResponse(asked.model_dump(mode="json"), 202, {"Location": f"/v1/payments/{payment.id}/refunds"})


@ROUTER.get("/refunds")
async def list_refunds(
    caller: CallerDependency,
    page: PageDependency,
    payment_id: TextFilter = None,
    status: RefundStatus | None = None,
    gateway: Name | None = None,
    created_from: Moment = None,
    created_before: Moment = None,
) -> Page[RefundResponse]:
    """List the account's refunds, the newest first unless `order` says otherwise."""
    wanted = MovementFilter(
        account=caller.account,
        payment_id=payment_id,
        status=status,
        gateway=gateway,
        created_from=created_from,
        created_before=created_before,
    )
    found, following = await find_movements(
        caller.database, "refund", wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([refund_response(refund) for refund in found], following)


@ROUTER.get("/refunds/{refund_id}")
async def read_refund(refund_id: PathId, caller: CallerDependency) -> RefundResponse:
    """Read one refund."""
    return refund_response(await get_movement(caller.database, caller.account, "refund", refund_id))


@ROUTER.get("/payments/{payment_id}/refunds")
async def list_payment_refunds(
    payment_id: PathId, caller: CallerDependency, page: PageDependency
) -> Page[RefundResponse]:
    """List a payment's refunds, the newest first unless `order` says otherwise."""
    found, following = await find_movements_of_payment(
        caller.database,
        caller.account,
        payment_id,
        "refund",
        limit=page.limit,
        after=page.after,
        ascending=page.ascending,
    )
    return page_of([refund_response(refund) for refund in found], following)
