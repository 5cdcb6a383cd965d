"""What an account offers to its payers, and in which order."""

from typing import Any

from fastapi import Depends, Response

from api.authentication import CallerDependency, requires
from api.changes import SeenTag, WriterDependency
from api.pagination import Page, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.payment_options import (
    PaymentOptionRequest,
    PaymentOptionResponse,
    ReplacePaymentOptionsRequest,
    payment_option_response,
    payment_option_responses,
)
from services.api_keys import Scope
from services.payment_options import get_option, list_options, put_option, remove_option, replace_options, tag_of
from topics.message import Name

ROUTER = router("payment options")
WRITES: list[Any] = [Depends(requires(Scope.CREDENTIALS_WRITE))]


@ROUTER.get("/accounts/{account}/payment-options")
async def list_payment_options(account: Name, caller: CallerDependency) -> Page[PaymentOptionResponse]:
    """List what the account offers, by priority; all of it is on one page."""
    options = await list_options(caller.database, caller.require_account(account))
    return page_of(payment_option_responses(options), None)


@ROUTER.put("/accounts/{account}/payment-options", dependencies=WRITES)
async def replace_payment_options(
    account: Name, body: ReplacePaymentOptionsRequest, caller: CallerDependency, writer: WriterDependency
) -> Page[PaymentOptionResponse]:
    """Store everything that the account offers. What is not named is offered no more; its gateway stays configured."""
    wanted = [option.terms(option.gateway) for option in body.data]
    options = await replace_options(caller.database, caller.require_account(account), wanted, writer)
    return page_of(payment_option_responses(options), None)


@ROUTER.get("/accounts/{account}/payment-options/{gateway}")
async def read_payment_option(
    account: Name, gateway: Name, response: Response, caller: CallerDependency
) -> PaymentOptionResponse:
    """Read how a gateway is offered. Its `ETag` can be sent back as `If-Match` with a change."""
    option = await get_option(caller.database, caller.require_account(account), gateway)
    response.headers["ETag"] = f'"{tag_of(option)}"'
    return payment_option_response(option)


@ROUTER.put(
    "/accounts/{account}/payment-options/{gateway}",
    dependencies=WRITES,
    responses=problem_responses(412) | {201: {"model": PaymentOptionResponse, "description": "The option is new."}},
)
async def put_payment_option(
    account: Name,
    gateway: Name,
    response: Response,
    body: PaymentOptionRequest,
    caller: CallerDependency,
    writer: WriterDependency,
    seen: SeenTag,
) -> PaymentOptionResponse:
    """Store how a configured gateway is offered; with `If-Match`, only if nobody else has changed it meanwhile."""
    option, is_new = await put_option(
        caller.database,
        caller.require_account(account),
        body.terms(gateway),
        writer,
        if_match=seen,
    )
    if is_new:
        response.status_code = 201
    response.headers["ETag"] = f'"{tag_of(option)}"'
    return payment_option_response(option)


@ROUTER.delete("/accounts/{account}/payment-options/{gateway}", status_code=204, dependencies=WRITES)
async def remove_payment_option(
    account: Name, gateway: Name, caller: CallerDependency, writer: WriterDependency
) -> None:
    """Stop offering a gateway. It stays configured: payments that name it still go there."""
    await remove_option(caller.database, caller.require_account(account), gateway, writer)
