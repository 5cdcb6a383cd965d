"""Who asks: an API key in `Authorization: Bearer ps_…`, and for operators' keys the account in `Paystream-Account`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.context import ApiContext, context_of
from domain.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from services.api_keys import Scope, authenticate
from storage.api_keys import ApiKey
from storage.unit_of_work import Database

ACCOUNT_HEADER = "paystream-account"

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="api_key",
    bearerFormat="ps_live_… or ps_test_…",
    description="An API key. The first one is made with `paystream api-keys create`.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated request: the key, the account it speaks for, and the database inside that account's scope.

    `chosen` is None when an operator's key is for several accounts and the request names none of them.
    """

    key: ApiKey
    chosen: str | None
    database: Database
    request_id: str

    @property
    def account(self) -> str:
        """The account that the request is about. Raises InvalidInput when it names none and might mean several."""
        if self.chosen is None:
            raise InvalidInput("this key is for several accounts: name one in the header Paystream-Account")
        return self.chosen

    @property
    def actor(self) -> str:
        """Who the audit log says it was."""
        return f"key:{self.key.id}"

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope.value not in self.key.scopes and Scope.ADMIN.value not in self.key.scopes:
            raise Forbidden(f"this API key lacks the scope {scope.value}", code="scope_missing")

    def require_account(self, account: str) -> str:
        """Return the account when the key is for it; raise NotFound, as for an account that is not there, otherwise."""
        if account not in self.key.accounts:
            raise NotFound(f"there is no account {account!r}", field="account")
        return account


async def identify(request: Request, context: ApiContext) -> Caller:
    """Authenticate a request. Raises Unauthenticated, and what is wrong with the choice of an account."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("send an API key as `Authorization: Bearer ps_…`")
    key = await authenticate(context.database, secret.strip(), context.clock())
    return Caller(
        key=key,
        chosen=_account_of(request, key),
        database=context.database.scoped(set(key.accounts)),
        request_id=str(request.scope["state"]["request_id"]),
    )


def _account_of(request: Request, key: ApiKey) -> str | None:
    """The account that a request is about: the path's, else the header's, else the key's only one."""
    chosen = request.path_params.get("account") or request.headers.get(ACCOUNT_HEADER)
    if chosen is None:
        return key.accounts[0] if len(key.accounts) == 1 else None
    if chosen not in key.accounts:
        raise NotFound(f"there is no account {chosen!r}", field="account")
    return str(chosen)


def caller_of(request: Request) -> Caller:
    """The caller that the route has identified."""
    caller = request.state.caller
    assert isinstance(caller, Caller)  # noqa: S101 - set by ApiRoute and by nothing else
    return caller


CallerDependency = Annotated[Caller, Depends(caller_of)]
ContextDependency = Annotated[ApiContext, Depends(context_of)]


class requires:  # noqa: N801 - reads as what it says: Depends(requires(Scope.PAYMENTS_READ))
    """A dependency that lets only keys with a scope through; it also documents the security of a route."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: Request, _: Annotated[object, Depends(BEARER)]) -> None:
        """Check the scope."""
        caller_of(request).require(self.scope)
