"""Mandates: begin, list, read, charge."""

from typing import Any

from fastapi import Depends, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.idempotency import new_id_of
from api.pagination import Page, PageDependency, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.filters import PathId, TextFilter
from api.schemas.mandates import ChargeMandateRequest, CreateMandateRequest, MandateResponse, mandate_response
from api.schemas.payments import PaymentResponse, payment_response
from services.api_keys import Scope
from services.payment_queries import get_payment, version_of
from services.vault_queries import find_mandates, get_mandate
from storage.vault_list import MandateFilter, MandateStatus
from topics.message import Name

ROUTER = router("mandates")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
GATEWAY_PROBLEMS = problem_responses(402, 502, 503, 504)
NOT_ANSWERED = "The gateway has not answered yet."


@ROUTER.post(
    "/mandates",
    status_code=201,
    dependencies=WRITES,
    responses=GATEWAY_PROBLEMS | {202: {"model": MandateResponse, "description": NOT_ANSWERED}},
)
async def create_mandate(
    request: Request,
    response: Response,
    body: CreateMandateRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> MandateResponse:
    """Begin a customer's agreement to later charges; the customer may still have to confirm it."""
    mandate_id = new_id_of(request, caller, "mandate")
    result = await run_command(request, context, caller, "setup_mandate", mandate_id=mandate_id, **body.model_dump())
    if result.outcome == "unknown":
        response.status_code = 202
    mandate = await get_mandate(caller.database, caller.account, mandate_id)
    response.headers["Location"] = f"/v1/mandates/{mandate_id}"
    return mandate_response(mandate, result)


@ROUTER.get("/mandates")
async def list_mandates(
    caller: CallerDependency,
    page: PageDependency,
    customer_id: TextFilter = None,
    gateway: Name | None = None,
    status: MandateStatus | None = None,
) -> Page[MandateResponse]:
    """List the account's mandates, the newest first unless `order` says otherwise."""
    wanted = MandateFilter(account=caller.account, customer_id=customer_id, gateway=gateway, status=status)
    found, following = await find_mandates(
        caller.database, wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([mandate_response(mandate) for mandate in found], following)


@ROUTER.get("/mandates/{mandate_id}")
async def read_mandate(mandate_id: PathId, caller: CallerDependency) -> MandateResponse:
    """Read one mandate."""
    return mandate_response(await get_mandate(caller.database, caller.account, mandate_id))


@ROUTER.post(
    "/mandates/{mandate_id}/charge",
    status_code=201,
    dependencies=WRITES,
    responses=GATEWAY_PROBLEMS | {202: {"model": PaymentResponse, "description": NOT_ANSWERED}},
)
async def charge_mandate(
    request: Request,
    response: Response,
    mandate_id: PathId,
    body: ChargeMandateRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> PaymentResponse:
    """Charge a mandate without the customer; makes a payment."""
    mandate = await get_mandate(caller.database, caller.account, mandate_id)
    payment_id = new_id_of(request, caller, "pay")
    result = await run_command(
        request, context, caller, "charge_mandate", payment_id=payment_id, mandate_id=mandate.id, **body.purchase()
    )
    if result.outcome == "unknown":
        response.status_code = 202
    payment = await get_payment(caller.database, caller.account, payment_id)
    response.headers["Location"] = f"/v1/payments/{payment_id}"
    response.headers["ETag"] = f'"{version_of(payment)}"'
    return payment_response(payment, result)
