"""Operations on a payment: one POST for each, and each answers with the payment as it then stands."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.problems import problem_responses
from api.route import router
from api.schemas.base import OptionalAmountRequest, RequestModel
from api.schemas.filters import PathId
from api.schemas.payments import (
    AuthorizeRequest,
    CompleteRequest,
    EmptyRequest,
    IncrementRequest,
    MovementRequest,
    PaymentResponse,
    ReasonRequest,
    RefundRequest,
    RejectRequest,
    SetUpRequest,
    VerifyRedirectRequest,
    payment_response,
)
from services.api_keys import Scope
from services.payment_queries import get_payment, version_of
from storage.payments import PaymentRecord

ROUTER = router("payment operations")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
REFUNDS: list[Any] = [Depends(requires(Scope.REFUNDS_WRITE))]
ANSWERS = problem_responses(402, 502, 503, 504) | {
    202: {"model": PaymentResponse, "description": "The gateway has not answered yet."}
}


class Operation:
    """An operation on the payment that the path names."""

    def __init__(
        self,
        request: Request,
        response: Response,
        payment_id: PathId,
        caller: CallerDependency,
        context: ContextDependency,
    ) -> None:
        self._request = request
        self._response = response
        self._payment_id = payment_id
        self._caller = caller
        self._context = context

    async def run(self, kind: str, body: RequestModel | None) -> PaymentResponse:
        """Carry the operation out by a command that says what the body says, and answer with the payment.

        Raises NotFound, InvalidMoney, and what the command is refused with or fails with. The payment is looked up
        first: its currency says what an amount means, and an unknown payment leaves no command behind.
        """
        payment = await self._payment()
        said = {} if body is None else body.model_dump(exclude={"amount", "amount_minor"})
        if isinstance(body, OptionalAmountRequest):
            said["amount_minor"] = body.minor(payment.terms.currency)
        result = await run_command(self._request, self._context, self._caller, kind, payment_id=payment.id, **said)
        if result.outcome == "unknown":
            self._response.status_code = 202
        payment = await self._payment()
        self._response.headers["ETag"] = f'"{version_of(payment)}"'
        return payment_response(payment, result)

    async def _payment(self) -> PaymentRecord:
        return await get_payment(self._caller.database, self._caller.account, self._payment_id)


OperationDependency = Annotated[Operation, Depends()]


@ROUTER.post("/payments/{payment_id}/set-up", dependencies=WRITES, responses=ANSWERS)
async def set_up_payment(operation: OperationDependency, body: SetUpRequest | None = None) -> PaymentResponse:
    """Set a payment up at its gateway that was only recorded; the answer has what the payer's client needs."""
    return await operation.run("create_order", body)


@ROUTER.post("/payments/{payment_id}/authorize", dependencies=WRITES, responses=ANSWERS)
async def authorize_payment(operation: OperationDependency, body: AuthorizeRequest) -> PaymentResponse:
    """Put a payment method to a payment, as the gateway's token of it."""
    return await operation.run("authorize", body)


@ROUTER.post("/payments/{payment_id}/capture", dependencies=WRITES, responses=ANSWERS)
async def capture_payment(operation: OperationDependency, body: MovementRequest | None = None) -> PaymentResponse:
    """Capture what is authorized, or a part of it."""
    return await operation.run("capture", body)


@ROUTER.post("/payments/{payment_id}/void", dependencies=WRITES, responses=ANSWERS)
async def void_payment(operation: OperationDependency, body: ReasonRequest | None = None) -> PaymentResponse:
    """Let an authorization go."""
    return await operation.run("void", body)


@ROUTER.post("/payments/{payment_id}/reverse", dependencies=WRITES, responses=ANSWERS)
async def reverse_payment(operation: OperationDependency, body: ReasonRequest | None = None) -> PaymentResponse:
    """Take a captured payment back before it settles, as a whole."""
    return await operation.run("reverse", body)


@ROUTER.post("/payments/{payment_id}/refund", dependencies=REFUNDS, responses=ANSWERS)
async def refund_payment(operation: OperationDependency, body: RefundRequest | None = None) -> PaymentResponse:
    """Refund what is captured, or a part of it."""
    return await operation.run("refund", body)


@ROUTER.post("/payments/{payment_id}/increment-authorization", dependencies=WRITES, responses=ANSWERS)
async def increment_authorization(operation: OperationDependency, body: IncrementRequest) -> PaymentResponse:
    """Raise an authorization to a new total."""
    return await operation.run("increment_authorization", body)


@ROUTER.post("/payments/{payment_id}/sync", dependencies=WRITES, responses=ANSWERS)
async def sync_payment(operation: OperationDependency, body: EmptyRequest | None = None) -> PaymentResponse:
    """Read a payment back from its gateway."""
    return await operation.run("sync", body)


@ROUTER.post("/payments/{payment_id}/complete", dependencies=WRITES, responses=ANSWERS)
async def complete_payment(operation: OperationDependency, body: CompleteRequest) -> PaymentResponse:
    """Say that a payment is complete under this name at its gateway, which is asked whether that is so."""
    return await operation.run("complete", body)


@ROUTER.post("/payments/{payment_id}/cancel", dependencies=WRITES, responses=ANSWERS)
async def cancel_payment(operation: OperationDependency, body: ReasonRequest | None = None) -> PaymentResponse:
    """Cancel a payment before any money has moved."""
    return await operation.run("cancel", body)


@ROUTER.post("/payments/{payment_id}/approve", dependencies=WRITES)
async def approve_payment(operation: OperationDependency, body: EmptyRequest | None = None) -> PaymentResponse:
    """Confirm that the money of a payment by hand has come; never with the key that submitted it."""
    return await operation.run("approve", body)


@ROUTER.post("/payments/{payment_id}/reject", dependencies=WRITES)
async def reject_payment(operation: OperationDependency, body: RejectRequest) -> PaymentResponse:
    """Refuse a payment by hand; never with the key that submitted it."""
    return await operation.run("reject", body)


@ROUTER.post("/payments/{payment_id}/verify-redirect", dependencies=WRITES, responses=ANSWERS)
async def verify_redirect(operation: OperationDependency, body: VerifyRedirectRequest) -> PaymentResponse:
    """Check what the payer's browser brought back from the gateway."""
    return await operation.run("verify_redirect", body)
