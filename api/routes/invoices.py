"""Invoices that manual payments are made for: register, read."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Path, Request, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.commands import run_command
from api.route import router
from api.schemas.invoices import InvoiceResponse, RegisterInvoiceRequest, invoice_response
from services.api_keys import Scope
from services.invoice_queries import read_invoice

ROUTER = router("invoices")

WRITES: list[Any] = [Depends(requires(Scope.PAYMENTS_WRITE))]
InvoiceId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,255}$", description="Your own id of the invoice.")]


@ROUTER.post("/invoices", status_code=201, dependencies=WRITES)
async def register_invoice(
    request: Request,
    response: Response,
    body: RegisterInvoiceRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> InvoiceResponse:
    """Tell Paystream of an invoice, which manual payments are then checked against.

    The same invoice again changes nothing; with another amount it is refused.
    """
    await run_command(
        request,
        context,
        caller,
        "register_invoice",
        invoice_id=body.invoice_id,
        amount_minor=body.minor(),
        currency=body.currency,
    )
    response.headers["Location"] = f"/v1/invoices/{quote(body.invoice_id)}"
    return invoice_response(await read_invoice(caller.database, caller.account, body.invoice_id))


# An id may hold a slash: it is the merchant's own.
@ROUTER.get("/invoices/{invoice_id:path}")
async def get_invoice(invoice_id: InvoiceId, caller: CallerDependency) -> InvoiceResponse:
    """Read an invoice, and how much of it is paid."""
    return invoice_response(await read_invoice(caller.database, caller.account, invoice_id))
