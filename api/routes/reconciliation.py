"""Reconciliation: imported statements, runs that compare them with the books, and breaks that people resolve."""

import uuid
from typing import Annotated

from fastapi import Query

from api.authentication import CallerDependency, ContextDependency
from api.operators import OPERATORS
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.reconciliation import (
    BreakResponse,
    ReconciliationRunResponse,
    ResolveBreakRequest,
    RunReconciliationRequest,
    StatementReportResponse,
    run_response,
    statement_report_response,
)
from domain.matching import BreakKind
from services.statement_matching.breaks import find_breaks, get_break, resolve_break
from services.statement_matching.importing import find_statements
from services.statement_matching.matching import match_statements

ROUTER = router("reconciliation")
WithResolved = Annotated[bool, Query(description="Those that are resolved, too.")]


@ROUTER.get("/reconciliation/statements")
async def list_statements(caller: CallerDependency) -> Page[StatementReportResponse]:
    """List the newest thousand statements that were imported, on one page."""
    found = await find_statements(caller.database, caller.account)
    return page_of([statement_report_response(report) for report in found], None)


@ROUTER.post("/reconciliation/runs", dependencies=OPERATORS)
async def run_reconciliation(
    body: RunReconciliationRequest, caller: CallerDependency, context: ContextDependency
) -> ReconciliationRunResponse:
    """Compare the books with every statement so far. Running it again changes nothing."""
    report = await match_statements(
        caller.database, caller.account, body.rules(), now=context.clock(), actor=caller.actor
    )
    return run_response(report)


@ROUTER.get("/reconciliation/breaks")
async def list_breaks(
    caller: CallerDependency,
    page: PageDependency,
    kind: BreakKind | None = None,
    *,
    with_resolved: WithResolved = False,
) -> Page[BreakResponse]:
    """List the open breaks, the newest first unless `order` says otherwise."""
    found, following = await find_breaks(
        caller.database,
        caller.account,
        kind=kind,
        with_resolved=with_resolved,
        limit=page.limit,
        after=page.after,
        ascending=page.ascending,
    )
    return page_of([BreakResponse.model_validate(one) for one in found], following)


@ROUTER.get("/reconciliation/breaks/{break_id}")
async def read_break(break_id: uuid.UUID, caller: CallerDependency) -> BreakResponse:
    """Read one break."""
    return BreakResponse.model_validate(await get_break(caller.database, caller.account, break_id))


@ROUTER.post("/reconciliation/breaks/{break_id}/resolve", dependencies=OPERATORS)
async def resolve_reconciliation_break(
    break_id: uuid.UUID, body: ResolveBreakRequest, caller: CallerDependency, context: ContextDependency
) -> BreakResponse:
    """Resolve a break; with a counter account, post what makes the books agree. It is never compared again."""
    resolved = await resolve_break(
        caller.database,
        caller.account,
        break_id,
        reason=body.reason,
        counter_account=body.counter_account,
        actor=caller.actor,
        request_id=caller.request_id,
        now=context.clock(),
    )
    return BreakResponse.model_validate(resolved)
