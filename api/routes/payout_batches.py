"""Payout batches: list, read, approve, execute, fail, export."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from api.authentication import Caller, CallerDependency, ContextDependency, requires
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.filters import Moment
from api.schemas.payout_batches import (
    ExecutePayoutRequest,
    FailPayoutRequest,
    PayoutBatchResponse,
    PayoutEntryResponse,
    PayoutStatementResponse,
    RecipientType,
    payout_batch_response,
    payout_entry_response,
)
from domain.settlement import BatchStatus
from services.api_keys import Scope
from services.payout_exports import open_statement
from services.payouts import (
    approve_payout,
    execute_payout,
    fail_payout,
    find_payouts,
    get_payout,
    payout_approvals,
    payout_entries,
)
from topics.message import Currency, Name

ROUTER = router("payout batches")
APPROVES: list[Any] = [Depends(requires(Scope.PAYOUTS_APPROVE))]
EXECUTES: list[Any] = [Depends(requires(Scope.PAYOUTS_EXECUTE))]

STATEMENT: dict[int | str, dict[str, Any]] = {
    200: {
        "model": PayoutStatementResponse,
        "description": "The statement, as JSON or as CSV (RFC 4180, UTF-8, with a header line).",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@ROUTER.get("/payout-batches")
async def list_payout_batches(
    caller: CallerDependency,
    page: PageDependency,
    status: BatchStatus | None = None,
    recipient_type: RecipientType | None = None,
    recipient_id: Name | None = None,
    currency: Currency | None = None,
    created_from: Moment = None,
    created_before: Moment = None,
) -> Page[PayoutBatchResponse]:
    """List the account's payout batches, the newest first unless `order` says otherwise."""
    asked = {
        "status": status,
        "recipient_type": recipient_type,
        "recipient_id": recipient_id,
        "currency": currency,
    }
    found, following = await find_payouts(
        caller.database,
        caller.account,
        {name: value for name, value in asked.items() if value is not None},
        created_from=created_from,
        created_before=created_before,
        limit=page.limit,
        after=page.after,
        ascending=page.ascending,
    )
    return page_of([payout_batch_response(batch) for batch in found], following)


@ROUTER.get("/payout-batches/{payout_batch_id}")
async def read_payout_batch(payout_batch_id: uuid.UUID, caller: CallerDependency) -> PayoutBatchResponse:
    """Read one payout batch, with its payments and who has approved it."""
    return await _read(caller, payout_batch_id)


@ROUTER.get("/payout-batches/{payout_batch_id}/entries")
async def list_payout_batch_entries(
    payout_batch_id: uuid.UUID, caller: CallerDependency, page: PageDependency
) -> Page[PayoutEntryResponse]:
    """List the settlement entries that a payout batch is made of, by event time."""
    found = await payout_entries(
        caller.database,
        caller.account,
        payout_batch_id,
        limit=page.limit,
        after=page.after,
        ascending=page.ascending,
    )
    return page_of([payout_entry_response(row) for row in found.rows], found.next)


@ROUTER.post("/payout-batches/{payout_batch_id}/approve", dependencies=APPROVES)
async def approve_payout_batch(
    payout_batch_id: uuid.UUID, caller: CallerDependency, context: ContextDependency
) -> PayoutBatchResponse:
    """Approve a payout batch, as somebody who did not make it and has not approved it yet."""
    await approve_payout(
        caller.database,
        caller.account,
        payout_batch_id,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
    return await _read(caller, payout_batch_id)


@ROUTER.post("/payout-batches/{payout_batch_id}/execute", dependencies=EXECUTES)
async def execute_payout_batch(
    payout_batch_id: uuid.UUID, body: ExecutePayoutRequest, caller: CallerDependency, context: ContextDependency
) -> PayoutBatchResponse:
    """Send an approved payout batch to the bank; with the bank's reference, complete it."""
    await execute_payout(
        caller.database,
        caller.account,
        payout_batch_id,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
        bank_reference=body.bank_reference,
    )
    return await _read(caller, payout_batch_id)


@ROUTER.post("/payout-batches/{payout_batch_id}/fail", dependencies=EXECUTES)
async def fail_payout_batch(
    payout_batch_id: uuid.UUID, body: FailPayoutRequest, caller: CallerDependency, context: ContextDependency
) -> PayoutBatchResponse:
    """Give a payout batch up: its entries go into the recipient's next one."""
    await fail_payout(
        caller.database,
        caller.account,
        payout_batch_id,
        reason=body.reason,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
    return await _read(caller, payout_batch_id)


@ROUTER.get("/payout-batches/{payout_batch_id}/export", response_class=StreamingResponse, responses=STATEMENT)
async def export_payout_batch(
    payout_batch_id: uuid.UUID,
    caller: CallerDependency,
    export_format: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
) -> StreamingResponse:
    """Download the statement of a payout batch: every entry, and a line of totals."""
    statement = await open_statement(caller.database, caller.account, payout_batch_id)
    name = f"payout-batch-{payout_batch_id}.{export_format}"
    return StreamingResponse(
        statement.csv() if export_format == "csv" else statement.json(),
        media_type="text/csv" if export_format == "csv" else "application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _read(caller: Caller, batch_id: uuid.UUID) -> PayoutBatchResponse:
    batch = await get_payout(caller.database, caller.account, batch_id)
    return payout_batch_response(batch, await payout_approvals(caller.database, caller.account, batch_id))
