"""Payment intents: begin a payment, and learn in one answer what its payer does next."""

from typing import Any

from fastapi import Depends, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.idempotency import new_id_of
from api.problems import problem_responses
from api.route import router
from api.schemas.payment_intents import (
    CreatePaymentIntentRequest,
    PaymentIntentResponse,
    payment_intent_response,
)
from api.schemas.payments import payment_response
from services.api_keys import Scope
from services.payment_intents import next_step, plan_intent
from services.payment_queries import get_payment, version_of

ROUTER = router("payment intents")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
ANSWERS = problem_responses(402, 502, 503, 504) | {
    202: {"model": PaymentIntentResponse, "description": "The gateway has not answered yet."}
}


@ROUTER.post(
    "/payment-intents",
    status_code=201,
    dependencies=WRITES,
    responses=ANSWERS,
)
async def create_payment_intent(
    request: Request,
    response: Response,
    body: CreatePaymentIntentRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> PaymentIntentResponse:
    """Create a payment at the gateway that is named or chosen, and say what its payer does next."""
    plan = await plan_intent(
        caller.database,
        context.gateways,
        caller.account,
        body.purchase(),
        gateway=body.gateway,
        reference=body.resource_id,
    )
    payment_id = new_id_of(request, caller, "pay")
    result = await run_command(
        request, context, caller, plan.command, payment_id=payment_id, **plan.content(body.content())
    )
    if result.outcome == "unknown":
        response.status_code = 202
    payment = await get_payment(caller.database, caller.account, payment_id)
    response.headers["Location"] = f"/v1/payments/{payment_id}"
    response.headers["ETag"] = f'"{version_of(payment)}"'
    return payment_intent_response(payment_response(payment, result), next_step(result.client_parameters))
