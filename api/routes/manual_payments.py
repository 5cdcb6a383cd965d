"""Manual payments: submit, list, read. They are approved and rejected by the operations on payments."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.idempotency import new_id_of
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.filters import PathId
from api.schemas.manual_payments import ManualPaymentResponse, SubmitManualPaymentRequest, manual_payment_response
from domain.payment import Status
from services.api_keys import Scope
from services.manual_payment_queries import find_manual_payments, read_manual_payment

ROUTER = router("manual payments")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
StatusFilter = Annotated[
    Status | None, Query(description="Without it, payments of every status; `pending_approval` are to be decided on.")
]


@ROUTER.post("/manual-payments", status_code=201, dependencies=WRITES)
async def submit_manual_payment(
    request: Request,
    response: Response,
    body: SubmitManualPaymentRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> ManualPaymentResponse:
    """Record a payment that a person has made by hand, to be approved by another person.

    Its `client_parameters` have the account's instructions for the method, where it has any.
    """
    payment_id = new_id_of(request, caller, "pay")
    result = await run_command(
        request,
        context,
        caller,
        "submit_manual_payment",
        payment_id=payment_id,
        method=body.method,
        transaction_reference=body.transaction_reference,
        notes=body.notes,
        **body.purchase(),
    )
    response.headers["Location"] = f"/v1/manual-payments/{payment_id}"
    manual = await read_manual_payment(caller.database, caller.account, payment_id)
    return manual_payment_response(manual, result)


@ROUTER.get("/manual-payments")
async def list_manual_payments(
    caller: CallerDependency, page: PageDependency, status: StatusFilter = None
) -> Page[ManualPaymentResponse]:
    """List the account's manual payments, the newest first unless `order` says otherwise."""
    found, following = await find_manual_payments(
        caller.database, caller.account, status, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([manual_payment_response(manual) for manual in found], following)


@ROUTER.get("/manual-payments/{payment_id}")
async def get_manual_payment(payment_id: PathId, caller: CallerDependency) -> ManualPaymentResponse:
    """Read one manual payment."""
    return manual_payment_response(await read_manual_payment(caller.database, caller.account, payment_id))
