"""Bank files as they are asked for and shown."""

import uuid
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.schemas.base import RequestModel, ResponseModel
from services.bank_files.formats import BankFileFormat
from storage.bank_files import BankFileRow
from topics.safe_text import SafeText

MAKE_EXAMPLE: dict[str, JsonValue] = {
    "payout_batch_ids": ["5f0c7c1e-6d0a-4e0e-9d6b-2b8f3b0d4c11"],
    "format": "pain.001.001.09",
}
CANCEL_EXAMPLE: dict[str, JsonValue] = {"reason": "the bank's upload refused it"}


class MakeBankFileRequest(RequestModel):
    """Which approved payout batches a file pays, and when the bank does; today when left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [MAKE_EXAMPLE]})

    payout_batch_ids: Annotated[frozenset[uuid.UUID], Field(min_length=1, max_length=10_000)]
    format: BankFileFormat = BankFileFormat.PAIN_001
    execution_date: date | None = None


class CancelBankFileRequest(RequestModel):
    """Why a file never went to the bank."""

    model_config = ConfigDict(json_schema_extra={"examples": [CANCEL_EXAMPLE]})

    reason: Annotated[SafeText, Field(min_length=1)]


class BankFileResponse(ResponseModel):
    """A file that a bank takes. `sha256` is the digest of its bytes, `totals_minor` minor units by currency."""

    id: uuid.UUID
    object: Literal["bank_file"] = "bank_file"
    account: str
    format: BankFileFormat
    sha256: str
    transfer_count: int
    totals_minor: dict[str, int]
    execution_date: date
    created_by: str
    created_at: datetime
    cancelled_by: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None


def bank_file_response(row: BankFileRow) -> BankFileResponse:
    """Show a bank file, without what is in it."""
    return BankFileResponse(
        id=row.id,
        account=row.account,
        format=BankFileFormat(row.format),
        sha256=row.digest.hex(),
        transfer_count=row.transfer_count,
        totals_minor=dict(row.totals),
        execution_date=row.execution_date,
        created_by=row.created_by,
        created_at=row.created_at,
        cancelled_by=row.cancelled_by,
        cancelled_at=row.cancelled_at,
        cancel_reason=row.cancel_reason,
    )
