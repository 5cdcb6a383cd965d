"""What happened to a payment: its domain events, and everything that is recorded of it."""

from api.authentication import CallerDependency
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.filters import PathId
from api.schemas.payment_history import EventResponse, TimelineResponse, event_response, timeline_response
from services.movement_queries import find_events
from services.timeline import timeline

ROUTER = router("payments")


@ROUTER.get("/payments/{payment_id}/events")
async def list_payment_events(
    payment_id: PathId, caller: CallerDependency, page: PageDependency
) -> Page[EventResponse]:
    """List a payment's domain events, the newest first unless `order` says otherwise."""
    found, following = await find_events(
        caller.database, caller.account, payment_id, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([event_response(event) for event in found], following)


@ROUTER.get("/payments/{payment_id}/timeline")
async def read_payment_timeline(payment_id: PathId, caller: CallerDependency) -> TimelineResponse:
    """Read everything that is recorded of a payment, from the raw callback to the payout batch, oldest first."""
    return timeline_response(payment_id, await timeline(caller.database, caller.account, payment_id))
