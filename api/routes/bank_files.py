"""Bank files: make them of approved payout batches, download them, say that one never went to the bank."""

import uuid
from datetime import UTC
from typing import Any

from fastapi import Depends, Response

from api.authentication import CallerDependency, ContextDependency, requires
from api.pagination import Page, page_of
from api.route import router
from api.schemas.bank_files import BankFileResponse, CancelBankFileRequest, MakeBankFileRequest, bank_file_response
from services.api_keys import Scope
from services.bank_files.export import cancel_bank_file as cancel
from services.bank_files.export import export_bank_file, read_bank_file
from services.bank_files.export import list_bank_files as find_bank_files

ROUTER = router("bank files")
EXECUTES: list[Any] = [Depends(requires(Scope.PAYOUTS_EXECUTE))]
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, byte for byte as it was made.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@ROUTER.get("/bank-files")
async def list_bank_files(caller: CallerDependency) -> Page[BankFileResponse]:
    """List the account's bank files, the newest first; all of them are on one page."""
    found = await find_bank_files(caller.database, caller.account)
    return page_of([bank_file_response(row) for row in found], None)


@ROUTER.post("/bank-files", status_code=201, dependencies=EXECUTES)
async def make_bank_file(
    body: MakeBankFileRequest, caller: CallerDependency, context: ContextDependency
) -> BankFileResponse:
    """Execute approved payout batches and make the file that pays them: all of them, or nothing happens."""
    now = context.clock()
    made = await export_bank_file(
        caller.database,
        context.ring,
        caller.account,
        body.payout_batch_ids,
        body.format,
        execution_date=body.execution_date or now.astimezone(UTC).date(),
        actor=caller.actor,
        request_id=caller.request_id,
        now=now,
    )
    return bank_file_response(made.row)


@ROUTER.get("/bank-files/{bank_file_id}/content", dependencies=EXECUTES, response_class=Response, responses=CONTENT)
async def download_bank_file(bank_file_id: uuid.UUID, caller: CallerDependency, context: ContextDependency) -> Response:
    """Download a bank file. It names recipients' bank accounts in full, so it needs the scope `payouts:execute`."""
    found = await read_bank_file(caller.database, context.ring, caller.account, bank_file_id)
    return Response(
        found.content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{found.name}"', "Cache-Control": "no-store"},
    )


@ROUTER.post("/bank-files/{bank_file_id}/cancel", status_code=204, dependencies=EXECUTES)
async def cancel_bank_file(
    bank_file_id: uuid.UUID, body: CancelBankFileRequest, caller: CallerDependency, context: ContextDependency
) -> None:
    """Say that a file never went to the bank, or that the bank refused all of it: its batches may go into another."""
    await cancel(
        caller.database,
        caller.account,
        bank_file_id,
        reason=body.reason,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
