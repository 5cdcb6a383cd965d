"""Customers' saved payment methods: save, list, read."""

from typing import Any
from urllib.parse import quote

from fastapi import Depends, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.idempotency import new_id_of
from api.pagination import Page, PageDependency, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.customers import CustomerId, SavedPaymentMethodResponse, SavePaymentMethodRequest
from api.schemas.filters import PathId
from services.api_keys import Scope
from services.vault_queries import find_methods, get_method

ROUTER = router("customers")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
ANSWERS = problem_responses(402, 502, 503, 504) | {
    202: {"model": SavedPaymentMethodResponse, "description": "The gateway has not answered yet."}
}


@ROUTER.post(
    "/customers/{customer_id}/payment-methods",
    status_code=201,
    dependencies=WRITES,
    responses=ANSWERS,
)
async def save_payment_method(
    request: Request,
    response: Response,
    customer_id: CustomerId,
    body: SavePaymentMethodRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> SavedPaymentMethodResponse:
    """Keep a customer's payment method at a gateway, for later payments."""
    method_id = new_id_of(request, caller, "pm")
    result = await run_command(
        request,
        context,
        caller,
        "save_payment_method",
        payment_method_id=method_id,
        customer_id=customer_id,
        gateway=body.gateway,
        token=body.token,
    )
    if result.outcome == "unknown":
        response.status_code = 202
    method = await get_method(caller.database, caller.account, customer_id, method_id)
    response.headers["Location"] = f"/v1/customers/{quote(customer_id)}/payment-methods/{method_id}"
    return SavedPaymentMethodResponse.model_validate(method)


@ROUTER.get("/customers/{customer_id}/payment-methods")
async def list_payment_methods(
    customer_id: CustomerId, caller: CallerDependency, page: PageDependency
) -> Page[SavedPaymentMethodResponse]:
    """List a customer's saved payment methods; a customer that nobody knows has none."""
    found, following = await find_methods(
        caller.database, caller.account, customer_id, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([SavedPaymentMethodResponse.model_validate(method) for method in found], following)


@ROUTER.get("/customers/{customer_id}/payment-methods/{payment_method_id}")
async def read_payment_method(
    customer_id: CustomerId, payment_method_id: PathId, caller: CallerDependency
) -> SavedPaymentMethodResponse:
    """Read one of a customer's payment methods, also one that its gateway has not confirmed yet."""
    method = await get_method(caller.database, caller.account, customer_id, payment_method_id)
    return SavedPaymentMethodResponse.model_validate(method)
