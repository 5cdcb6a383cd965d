"""Disputes: list, read. They are opened by payers and decided by banks, so nothing here changes one."""

from api.authentication import CallerDependency
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.filters import Moment, PathId, TextFilter
from api.schemas.movements import DisputeResponse, DisputeStatus, dispute_response
from services.movement_queries import find_movements, find_movements_of_payment, get_movement
from storage.movement_list import MovementFilter
from topics.message import Name

ROUTER = router("disputes")


@ROUTER.get("/disputes")
async def list_disputes(
    caller: CallerDependency,
    page: PageDependency,
    payment_id: TextFilter = None,
    status: DisputeStatus | None = None,
    gateway: Name | None = None,
    created_from: Moment = None,
    created_before: Moment = None,
) -> Page[DisputeResponse]:
    """List the account's disputes, the newest first unless `order` says otherwise."""
    wanted = MovementFilter(
        account=caller.account,
        payment_id=payment_id,
        status=status,
        gateway=gateway,
        created_from=created_from,
        created_before=created_before,
    )
    found, following = await find_movements(
        caller.database, "dispute", wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([dispute_response(dispute) for dispute in found], following)


@ROUTER.get("/disputes/{dispute_id}")
async def read_dispute(dispute_id: PathId, caller: CallerDependency) -> DisputeResponse:
    """Read one dispute."""
    return dispute_response(await get_movement(caller.database, caller.account, "dispute", dispute_id))


@ROUTER.get("/payments/{payment_id}/disputes")
async def list_payment_disputes(
    payment_id: PathId, caller: CallerDependency, page: PageDependency
) -> Page[DisputeResponse]:
    """List a payment's disputes, the newest first unless `order` says otherwise."""
    found, following = await find_movements_of_payment(
        caller.database,
        caller.account,
        payment_id,
        "dispute",
        limit=page.limit,
        after=page.after,
        ascending=page.ascending,
    )
    return page_of([dispute_response(dispute) for dispute in found], following)
