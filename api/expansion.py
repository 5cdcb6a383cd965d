"""`expand`: what belongs to a payment, read together with it."""

from typing import Annotated

from fastapi import Query

from api.authentication import Caller
from api.pagination import MAX_LIMIT, page_of
from api.schemas.movements import dispute_response, refund_response
from api.schemas.payment_history import event_response, timeline_response
from api.schemas.payments import ExpandedResponse
from services.movement_queries import Kind, find_events, find_movements
from services.timeline import timeline
from storage.listing import Position
from storage.movement_list import MovementFilter, MovementRecord

NAMES = tuple(ExpandedResponse.model_fields)
_NAME = f"({'|'.join(NAMES)})"

Expand = Annotated[
    str | None,
    Query(
        pattern=f"^{_NAME}(,{_NAME}){{0,{len(NAMES) - 1}}}$",
        description=f"What to read together with the payment, with commas between: {', '.join(NAMES)}.",
        examples=["refunds,timeline"],
    ),
]


async def expanded_of(caller: Caller, payment_id: str, expand: str | None) -> ExpandedResponse | None:
    """Read what `expand` names of a payment of the caller's: first pages, the newest first; None for nothing."""
    if expand is None:
        return None
    expanded = ExpandedResponse()
    for name in set(expand.split(",")):
        expanded = expanded.model_copy(update={name: await _read(caller, payment_id, name)})
    return expanded


async def _read(caller: Caller, payment_id: str, name: str) -> object:
    database, account = caller.database, caller.account
    match name:
        case "refunds":
            refunds, following = await _movements(caller, payment_id, "refund")
            return page_of([refund_response(refund) for refund in refunds], following)
        case "disputes":
            disputes, following = await _movements(caller, payment_id, "dispute")
            return page_of([dispute_response(dispute) for dispute in disputes], following)
        case "events":
            events, following = await find_events(
                database, account, payment_id, limit=MAX_LIMIT, after=None, ascending=False
            )
            return page_of([event_response(event) for event in events], following)
        case _:
            return timeline_response(payment_id, await timeline(database, account, payment_id))


async def _movements(caller: Caller, payment_id: str, kind: Kind) -> tuple[list[MovementRecord], Position | None]:
    wanted = MovementFilter(account=caller.account, payment_id=payment_id)
    return await find_movements(caller.database, kind, wanted, limit=MAX_LIMIT, after=None, ascending=False)
