"""The audit log as it is shown."""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from api.schemas.base import ResponseModel

AuditAction = Literal["insert", "update", "delete", "truncate"]


class AuditRecordResponse(ResponseModel):
    """One write of one row. `before` and `after` of an update hold only what changed; secrets are never in them."""

    id: int
    object: Literal["audit_record"] = "audit_record"
    recorded_at: datetime
    account: str | None
    actor: str = Field(description="An API key, a person, a process, or a gateway's event.", examples=["key:k3j2h1"])
    request_id: str | None
    action: AuditAction
    subject_type: str = Field(examples=["payment"])
    subject_id: str
    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None
