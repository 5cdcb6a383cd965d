"""Callbacks: what was received, what was rejected, and what could not be processed; and putting it back."""

from typing import Annotated, Any

from fastapi import Depends, Query

from api.authentication import Caller, CallerDependency, ContextDependency, requires
from api.context import ApiContext
from api.pagination import Page, PageDependency, page_of
from api.problems import problem_responses
from api.route import router
from api.schemas.filters import Moment, TextFilter
from api.schemas.webhooks import (
    DeadLetterBatchResponse,
    DeadLetterResponse,
    DeadLetterTopic,
    DiscardDeadLettersRequest,
    DiscardRequest,
    Offset,
    Partition,
    ReceivedWebhookResponse,
    RejectedWebhookResponse,
    RetryDeadLettersRequest,
    dead_letter_batch_response,
    dead_letter_response,
    received_webhook_response,
    rejected_webhook_response,
    selected,
)
from api.tail_cursor import (
    DEFAULT_TAIL_LIMIT,
    TailCursor,
    TailLimit,
    read_tail_cursor,
    tail_page,
    write_tail_cursor,
)
from domain.errors import Unavailable
from domain.facts import FactKind
from services.api_keys import Scope
from services.dead_letter_batches import Decider, decide_page, discarding, retrying
from services.dead_letters import Access, DeadLetterDesk, ParkedFilter
from services.parked_records import Place, dead_letter_topic
from services.webhook_queries import find_received
from storage.inbox import Disposition
from storage.inbox_list import ReceivedFilter
from topics.catalog import DEAD_LETTERS, REJECTED_WEBHOOKS
from topics.message import Name

ROUTER = router("webhooks")
DECIDES: list[Any] = [Depends(requires(Scope.ADMIN))]
NO_BROKER = problem_responses(503)

Unattributed = Annotated[bool, Query(description="Those that belong to no account, instead; for operators.")]
Decided = Annotated[bool | None, Query(description="Only those that something was decided about, or nothing yet.")]


@ROUTER.get("/webhooks")
async def list_webhooks(
    caller: CallerDependency,
    page: PageDependency,
    gateway: Name | None = None,
    gateway_event_id: TextFilter = None,
    kind: FactKind | None = None,
    disposition: Disposition | None = None,
    payment_id: TextFilter = None,
    provider_reference: TextFilter = None,
    recorded_from: Moment = None,
    recorded_before: Moment = None,
) -> Page[ReceivedWebhookResponse]:
    """List the facts that callbacks have brought, the newest first unless `order` says otherwise."""
    wanted = ReceivedFilter(
        account=caller.account,
        gateway=gateway,
        gateway_event_id=gateway_event_id,
        kind=kind,
        disposition=disposition,
        payment_id=payment_id,
        provider_reference=provider_reference,
        recorded_from=recorded_from,
        recorded_before=recorded_before,
    )
    found, following = await find_received(
        caller.database, wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([received_webhook_response(fact) for fact in found], following)


@ROUTER.get("/webhooks/rejected", responses=NO_BROKER)
async def list_rejected_webhooks(
    caller: CallerDependency,
    context: ContextDependency,
    limit: TailLimit = DEFAULT_TAIL_LIMIT,
    cursor: TailCursor = None,
    gateway: Name | None = None,
    reason: TextFilter = None,
    decided: Decided = None,
    *,
    unattributed: Unattributed = False,
) -> Page[RejectedWebhookResponse]:
    """List rejected callbacks, the newest first."""
    wanted = ParkedFilter(gateway=gateway, reason=reason, decided=decided, unattributed=unattributed)
    edges = read_tail_cursor(cursor)
    found = await _desk(context).find(_access(caller, context), [REJECTED_WEBHOOKS], wanted, limit=limit, edges=edges)
    return tail_page([rejected_webhook_response(parked) for parked in found.items], found.edges)


@ROUTER.post("/webhooks/rejected/{partition}/{offset}/replay", dependencies=DECIDES, responses=NO_BROKER)
async def replay_rejected_webhook(
    partition: Partition, offset: Offset, caller: CallerDependency, context: ContextDependency
) -> RejectedWebhookResponse:
    """Have a rejected callback verified again, for instance after credentials were corrected; once."""
    place = Place(topic=REJECTED_WEBHOOKS.name, partition=partition, offset=offset)
    parked = await _desk(context).put_back(
        _access(caller, context), place, actor=caller.actor, request_id=caller.request_id
    )
    return rejected_webhook_response(parked)


@ROUTER.get("/webhooks/dead-letters", responses=NO_BROKER)
async def list_dead_letters(
    caller: CallerDependency,
    context: ContextDependency,
    limit: TailLimit = DEFAULT_TAIL_LIMIT,
    cursor: TailCursor = None,
    topic: DeadLetterTopic | None = None,
    reason: TextFilter = None,
    decided: Decided = None,
    *,
    unattributed: Unattributed = False,
) -> Page[DeadLetterResponse]:
    """List records that could not be processed, the newest first."""
    topics = DEAD_LETTERS if topic is None else (dead_letter_topic(topic),)
    wanted = ParkedFilter(reason=reason, decided=decided, unattributed=unattributed)
    edges = read_tail_cursor(cursor)
    found = await _desk(context).find(_access(caller, context), topics, wanted, limit=limit, edges=edges)
    return tail_page([dead_letter_response(parked) for parked in found.items], found.edges)


@ROUTER.post("/webhooks/dead-letters/retry", dependencies=DECIDES, responses=NO_BROKER)
async def retry_dead_letters(
    body: RetryDeadLettersRequest, caller: CallerDependency, context: ContextDependency
) -> DeadLetterBatchResponse:
    """Put back the undecided dead letters of a selection, the newest first and a bounded number; each once."""
    desk = _desk(context)
    decider = Decider() if body.dry_run else retrying(desk, actor=caller.actor, request_id=caller.request_id)
    return await _decide_page(desk, body, decider, caller, context)


@ROUTER.post("/webhooks/dead-letters/discard", dependencies=DECIDES, responses=NO_BROKER)
async def discard_dead_letters(
    body: DiscardDeadLettersRequest, caller: CallerDependency, context: ContextDependency
) -> DeadLetterBatchResponse:
    """Record of the undecided dead letters of a selection that nothing more will be done about them, and why."""
    desk = _desk(context)
    decider = discarding(desk, body.reason, actor=caller.actor, request_id=caller.request_id)
    return await _decide_page(desk, body, Decider() if body.dry_run else decider, caller, context)


@ROUTER.get("/webhooks/dead-letters/{topic}/{partition}/{offset}", responses=NO_BROKER)
async def read_dead_letter(
    topic: DeadLetterTopic, partition: Partition, offset: Offset, caller: CallerDependency, context: ContextDependency
) -> DeadLetterResponse:
    """Read one dead letter."""
    place = Place(topic=dead_letter_topic(topic).name, partition=partition, offset=offset)
    return dead_letter_response(await _desk(context).show(_access(caller, context), place))


@ROUTER.post("/webhooks/dead-letters/{topic}/{partition}/{offset}/retry", dependencies=DECIDES, responses=NO_BROKER)
async def retry_dead_letter(
    topic: DeadLetterTopic, partition: Partition, offset: Offset, caller: CallerDependency, context: ContextDependency
) -> DeadLetterResponse:
    """Put a dead letter back onto the topic it came from, byte for byte; once."""
    place = Place(topic=dead_letter_topic(topic).name, partition=partition, offset=offset)
    parked = await _desk(context).put_back(
        _access(caller, context), place, actor=caller.actor, request_id=caller.request_id
    )
    return dead_letter_response(parked)


@ROUTER.post("/webhooks/dead-letters/{topic}/{partition}/{offset}/discard", dependencies=DECIDES, responses=NO_BROKER)
async def discard_dead_letter(
    topic: DeadLetterTopic,
    partition: Partition,
    offset: Offset,
    body: DiscardRequest,
    caller: CallerDependency,
    context: ContextDependency,
) -> DeadLetterResponse:
    """Record that nothing more will be done about a dead letter, and why. It may still be retried later."""
    place = Place(topic=dead_letter_topic(topic).name, partition=partition, offset=offset)
    parked = await _desk(context).discard(
        _access(caller, context), place, body.reason, actor=caller.actor, request_id=caller.request_id
    )
    return dead_letter_response(parked)


async def _decide_page(
    desk: DeadLetterDesk, body: RetryDeadLettersRequest, decider: Decider, caller: Caller, context: ApiContext
) -> DeadLetterBatchResponse:
    topic, edges = body.selection.topic, read_tail_cursor(body.cursor)
    topics = DEAD_LETTERS if topic is None else (dead_letter_topic(topic),)
    wanted, access = selected(body.selection), _access(caller, context)
    page = await decide_page(desk, access, topics, wanted, decider, limit=body.limit, edges=edges)
    return dead_letter_batch_response(page, body.cursor if page.stopped else write_tail_cursor(page.edges))


def _desk(context: ApiContext) -> DeadLetterDesk:
    if context.broker is None:
        raise Unavailable("this process has no broker", code="broker_unavailable")
    return DeadLetterDesk(context.broker, context.clock)


def _access(caller: Caller, context: ApiContext) -> Access:
    is_operator = caller.key.kind == "operator" and Scope.ADMIN.value in caller.key.scopes
    return Access(
        account=caller.account, database=caller.database, everything=context.database if is_operator else None
    )
