"""Accounts: those that a key is for, and new ones."""

from fastapi import Response

from api.authentication import CallerDependency, ContextDependency
from api.operators import OPERATORS
from api.pagination import Page, page_of
from api.route import router
from api.schemas.accounts import AccountResponse, CreateAccountRequest, account_response
from domain.errors import Refused
from services.accounts import create_account as open_account
from services.accounts import find_accounts, get_account
from storage.accounts import Account
from topics.message import Name

ROUTER = router("accounts")


@ROUTER.get("/accounts")
async def list_accounts(caller: CallerDependency) -> Page[AccountResponse]:
    """List the accounts that the key is for; all of them are on one page."""
    found = await find_accounts(caller.database, caller.key.accounts)
    return page_of([account_response(account) for account in found], None)


@ROUTER.get("/accounts/{account}")
async def read_account(account: Name, caller: CallerDependency) -> AccountResponse:
    """Read an account that the key is for."""
    return account_response(await get_account(caller.database, caller.require_account(account)))


@ROUTER.post("/accounts", status_code=201, dependencies=OPERATORS)
async def create_account(
    response: Response, body: CreateAccountRequest, caller: CallerDependency, context: ContextDependency
) -> AccountResponse:
    """Create an account, as an operator.

    It is live or test as the operator's key is. The key is not for the new account by this: make a key that is. An
    `Idempotency-Key` belongs to an account, so a key for several names one of them in `Paystream-Account` beside it.
    """
    account = Account(body.id, body.name, body.fee_basis_points, body.fee_fixed_minor, caller.key.mode)
    if not await open_account(context.database, account, actor=caller.actor, request_id=caller.request_id):
        raise Refused("an account of this id is there already", code="account_exists", field="id")
    response.headers["Location"] = f"/v1/accounts/{account.id}"
    return account_response(account)
