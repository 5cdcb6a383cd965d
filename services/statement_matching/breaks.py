"""Breaks in people's hands: listed, and resolved with a reason, and with a posting where the books were wrong."""

import uuid
from dataclasses import replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from domain.errors import InvalidInput, NotFound, OperationNotAllowed
from domain.matching import BreakKind
from domain.reconciliation_books import Difference, ReconciliationCause, adjustment_postings
from storage.ledger import LedgerTransaction
from storage.listing import Position
from storage.reconciliation_results import BreakRow, ReconciliationResults, read_break
from storage.statements import Statements
from storage.unit_of_work import Database
from topics.safe_text import SafeText

_TEXT: TypeAdapter[str] = TypeAdapter(SafeText)


async def find_breaks(
    database: Database,
    account: str,
    *,
    kind: BreakKind | None = None,
    with_resolved: bool = False,
    limit: int,
    after: Position | None = None,
    ascending: bool = True,
) -> tuple[list[BreakRow], Position | None]:
    """Return a page of an account's breaks and where to go on."""
    async with database.transaction() as transaction:
        page = await ReconciliationResults(transaction.connection).breaks(
            account, kind=kind, with_resolved=with_resolved, limit=limit, after=after, ascending=ascending
        )
    return [read_break(row) for row in page.rows], page.next


async def get_break(database: Database, account: str, break_id: uuid.UUID) -> BreakRow:
    """Return a break of an account. Raises NotFound."""
    async with database.transaction() as transaction:
        return _own(await ReconciliationResults(transaction.connection).get_break(break_id), account, break_id)


async def resolve_break(
    database: Database,
    account: str,
    break_id: uuid.UUID,
    *,
    reason: str,
    counter_account: str | None = None,
    actor: str,
    request_id: str,
    now: datetime,
) -> BreakRow:
    """Resolve a break in a person's name; with a counter account, post what makes the books agree.

    Its items are settled and never compared again. Raises NotFound, InvalidInput, OperationNotAllowed when it is
    resolved already, or when no posting can set it right.
    """
    reason = _checked(reason)
    async with database.transaction(actor, request_id) as transaction:
        await Statements(transaction.connection).lock(account)
        results = ReconciliationResults(transaction.connection)
        found = _own(await results.get_break(break_id, lock=True), account, break_id)
        if found.resolved_at is not None:
            raise OperationNotAllowed(f"{found.resolved_by} has resolved the break already")
        posting = None if counter_account is None else _posting(found, counter_account, now)
        if posting is not None:
            await transaction.ledger.post([posting], now)
        transaction_id = None if posting is None else posting.id
        await results.resolve(break_id, by=actor, resolution=reason, transaction_id=transaction_id, now=now)
    return replace(found, resolved_at=now, resolved_by=actor, resolution=reason, ledger_transaction_id=transaction_id)


def _posting(found: BreakRow, counter_account: str, now: datetime) -> LedgerTransaction:
    difference = Difference(
        stage=found.stage,
        gateway=found.gateway,
        expected_minor=found.expected_minor,
        actual_minor=found.actual_minor,
        fee_minor=found.fee_minor,
    )
    postings = adjustment_postings(found.kind, difference, counter_account)
    if not postings:
        raise OperationNotAllowed("there is nothing to post: resolve the break without an adjustment")
    return LedgerTransaction(
        id=uuid.uuid5(found.id, "adjustment"),
        account=found.account,
        payment_id=None,
        payout_batch_id=None,
        cause=ReconciliationCause.ADJUSTMENT,
        reference=str(found.id),
        currency=found.currency,
        occurred_at=now,
        postings=postings,
    )


def _own(found: BreakRow | None, account: str, break_id: uuid.UUID) -> BreakRow:
    if found is None or found.account != account:
        raise NotFound(f"there is no break {break_id}", field="break_id")
    return found


def _checked(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("say how the break was resolved", field="reason")
    try:
        return _TEXT.validate_python(reason)
    except ValidationError as error:
        raise InvalidInput(error.errors(include_input=False)[0]["msg"], field="reason") from None
