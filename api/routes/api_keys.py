"""API keys: make, list, revoke."""

from collections.abc import Sequence

from api.authentication import Caller, CallerDependency, ContextDependency
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.api_keys import (
    ApiKeyResponse,
    CreateApiKeyRequest,
    CreatedApiKeyResponse,
    KeyId,
    api_key_response,
    created_api_key_response,
)
from domain.errors import Forbidden
from services.api_keys import Scope, create_key, find_keys, revoke_key
from storage.api_keys import KeyKind

ROUTER = router("API keys", Scope.ADMIN)


@ROUTER.post("/api-keys", status_code=201)
async def create_api_key(
    body: CreateApiKeyRequest, caller: CallerDependency, context: ContextDependency
) -> CreatedApiKeyResponse:
    """Make a key. This answer, and its repetition for the same `Idempotency-Key`, is the only one that shows it."""
    made = await create_key(
        caller.database,
        name=body.name,
        accounts=_accounts(caller, body.kind, body.accounts),
        scopes=body.scopes,
        actor=caller.actor,
        now=context.clock(),
        kind=body.kind,
        expires_at=body.expires_at,
        request_id=caller.request_id,
    )
    return created_api_key_response(made)


@ROUTER.get("/api-keys")
async def list_api_keys(caller: CallerDependency, page: PageDependency) -> Page[ApiKeyResponse]:
    """List the account's keys, the newest first unless `order` says otherwise."""
    found, following = await find_keys(
        caller.database, caller.account, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([api_key_response(key) for key in found], following)


@ROUTER.delete("/api-keys/{api_key_id}")
async def revoke_api_key(api_key_id: KeyId, caller: CallerDependency, context: ContextDependency) -> ApiKeyResponse:
    """Revoke a key: from now on nobody gets in with it. Revoking it again changes nothing."""
    key = await revoke_key(
        caller.database,
        api_key_id,
        actor=caller.actor,
        now=context.clock(),
        account=caller.account,
        request_id=caller.request_id,
    )
    return api_key_response(key)


def _accounts(caller: Caller, kind: KeyKind, asked: Sequence[str]) -> Sequence[str]:
    """The accounts that a new key is for. Raises Forbidden, and NotFound for what the caller's key is not for."""
    if kind == "operator" and caller.key.kind != "operator":
        raise Forbidden("only an operator's key makes operators' keys", code="operators_only")
    return [caller.require_account(account) for account in asked] or [caller.account]
