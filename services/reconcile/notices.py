"""Outbox messages of the reconciliation topic."""

from domain.facts import Fact
from storage.cases import Case
from storage.outbox import OutboxMessage
from topics.catalog import RECONCILIATION
from topics.message import CloudEvent
from topics.reconciliation import NOTICE_TYPE_PREFIX, ReconciliationNotice


def case_opened(case: Case) -> OutboxMessage:
    """A person has to look at something."""
    notice = ReconciliationNotice(
        id=f"{case.id}:opened", type="case_opened", detail=case.detail, occurred_at=case.opened_at, **_about(case)
    )
    return _message(notice)


def case_resolved(case: Case) -> OutboxMessage:
    """A case is closed, by a person or because it settled itself."""
    notice = ReconciliationNotice(
        id=f"{case.id}:resolved",
        type="case_resolved",
        detail=case.resolution or "",
        occurred_at=case.resolved_at or case.opened_at,
        resolved_by=case.resolved_by,
        **_about(case),
    )
    return _message(notice)


def missing_webhook(payment_id: str, fact: Fact) -> OutboxMessage:
    """Money moved and no callback had told of it."""
    notice = ReconciliationNotice(
        id=f"{payment_id}:missing:{fact.gateway_event_id}"[:255],
        type="missing_webhook",
        account=fact.account,
        kind=fact.kind,
        detail=f"{fact.gateway} was asked and said so; no callback had brought it",
        occurred_at=fact.occurred_at,
        payment_id=payment_id,
        gateway=fact.gateway,
        provider_reference=fact.provider_reference,
        movement_reference=fact.movement_reference,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
    )
    return _message(notice)


def _about(case: Case) -> dict[str, str | None]:
    return {
        "account": case.account,
        "kind": case.kind,
        "case_id": str(case.id),
        "payment_id": case.payment_id,
        "command_id": case.command_id,
        "gateway": case.gateway,
        "provider_reference": case.reference,
    }


def _message(notice: ReconciliationNotice) -> OutboxMessage:
    key = notice.payment_id or notice.command_id or notice.provider_reference or notice.id
    kind = NOTICE_TYPE_PREFIX + notice.type
    event = CloudEvent(
        id=notice.id, type=kind, source=f"/accounts/{notice.account}", subject=key, time=notice.occurred_at
    )
    return OutboxMessage(
        topic=RECONCILIATION.name,
        key=key,
        type=kind,
        payload=notice.model_dump_json(),
        headers=tuple(event.attributes()),
    )
