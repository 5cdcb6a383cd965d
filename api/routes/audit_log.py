"""The audit log: who changed what of the account, and when."""

from api.authentication import CallerDependency
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.audit_log import AuditAction, AuditRecordResponse
from api.schemas.filters import Moment, TextFilter
from services.api_keys import Scope
from services.audit_queries import find_audit_records
from storage.audit_list import AuditFilter

ROUTER = router("audit log", Scope.ADMIN)


@ROUTER.get("/audit-log")
async def list_audit_log(
    caller: CallerDependency,
    page: PageDependency,
    subject_type: TextFilter = None,
    subject_id: TextFilter = None,
    actor: TextFilter = None,
    action: AuditAction | None = None,
    recorded_from: Moment = None,
    recorded_before: Moment = None,
) -> Page[AuditRecordResponse]:
    """List who changed what, the newest first unless `order` says otherwise."""
    wanted = AuditFilter(
        account=caller.account,
        subject_type=subject_type,
        subject_id=subject_id,
        actor=actor,
        action=action,
        recorded_from=recorded_from,
        recorded_before=recorded_before,
    )
    found, following = await find_audit_records(
        caller.database, wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([AuditRecordResponse.model_validate(record) for record in found], following)
