"""Payments with everything that was written because of them, a page at a time, so that memory stays bounded."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Row, Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import Fact, FactKind
from domain.ledger import Movement, movements
from domain.payment import EVENT_ID_CONFLICT, PaymentState, PaymentTerms, Step
from domain.settlement import Recipient
from storage.payments import terms_of
from storage.tables import INBOX, PAYMENTS

PAGE_SIZE = 1_000

_KINDS = frozenset(FactKind)

StoredStep = tuple[str, str | None, int | None]
"""A step as it stands in the table, whether or not it is one we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a recipient gains, in minor units."""

    gross_minor: int = 0
    fee_minor: int = 0
    net_minor: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            gross_minor=self.gross_minor + other.gross_minor,
            fee_minor=self.fee_minor + other.fee_minor,
            net_minor=self.net_minor + other.net_minor,
        )


@dataclass(kw_only=True)
class AuditedPayment:
    """A payment as stored, and the rows of other tables that speak of it.

    - `facts`: the facts that were folded into it; `unknown_facts` are the event ids of those of no known kind.
    - `postings`: what its ledger transactions sum up to, by (ledger account, currency).
    - `entries`: what its settlement entries sum up to, by recipient; `unbalanced_entries` are those whose net is off.
    - `transitions`: its changes of status (from, to), oldest first.
    """

    terms: PaymentTerms
    awaiting_approval: bool
    status: str
    steps: frozenset[StoredStep]
    authorized_minor: int
    captured_minor: int
    refunded_minor: int
    disputed_minor: int
    paid_at: datetime | None
    refunded_at: datetime | None
    facts: list[Fact] = field(default_factory=list)
    unknown_facts: list[str] = field(default_factory=list)
    postings: dict[tuple[str, str], int] = field(default_factory=dict)
    entries: dict[Recipient, Amounts] = field(default_factory=dict)
    unbalanced_entries: list[str] = field(default_factory=list)
    transitions: list[tuple[str, str]] = field(default_factory=list)

    @cached_property
    def demanded(self) -> list[Movement]:
        """The movements that the stored steps call for, all together; a step of no known kind calls for none."""
        known = (Step(FactKind(kind), reference, amount) for kind, reference, amount in self.steps if kind in _KINDS)
        return movements(PaymentState(), PaymentState(steps=frozenset(known)), self.terms)


_POSTINGS = text(
    "select payment_id, ledger_account, posting.currency, sum(amount_minor) as amount_minor"
    " from ledger_transactions join ledger_postings posting on transaction_id = ledger_transactions.id"
    " where payment_id = any(:ids) group by payment_id, ledger_account, posting.currency"
)
_ENTRIES = text(
    "select payment_id, account, recipient_type, recipient_id, currency, sum(gross_minor) as gross_minor,"
    " sum(fee_minor) as fee_minor, sum(net_minor) as net_minor,"
    " array_remove(array_agg(case when net_minor <> gross_minor - fee_minor then id::text end), null) as unbalanced"
    " from settlement_entries where payment_id = any(:ids)"
    " group by payment_id, account, recipient_type, recipient_id, currency"
)
_TRANSITIONS = text(
    "select payment_id, from_status, to_status from transitions where payment_id = any(:ids) order by payment_id, id"
)


async def payment_pages(connection: AsyncConnection) -> AsyncIterator[list[AuditedPayment]]:
    """Yield every payment, in the order of their ids, a page at a time."""
    last_id = ""
    while True:
        statement = select(PAYMENTS).where(PAYMENTS.c.id > last_id).order_by(PAYMENTS.c.id).limit(PAGE_SIZE)
        rows = (await connection.execute(statement)).all()
        if not rows:
            return
        last_id = rows[-1].id
        page = {row.id: _payment(row) for row in rows}
        await _attach(connection, page)
        yield list(page.values())


async def _attach(connection: AsyncConnection, page: dict[str, AuditedPayment]) -> None:
    ids = list(page)
    for row in await connection.execute(_folded_facts(ids)):
        if row.kind in _KINDS:
            page[row.payment_id].facts.append(_fact(row))
        else:
            page[row.payment_id].unknown_facts.append(row.gateway_event_id)
    for row in await connection.execute(_POSTINGS, {"ids": ids}):
        page[row.payment_id].postings[row.ledger_account, row.currency] = int(row.amount_minor)
    for row in await connection.execute(_ENTRIES, {"ids": ids}):
        payment = page[row.payment_id]
        recipient = Recipient(row.account, row.recipient_type, row.recipient_id, row.currency)
        payment.entries[recipient] = Amounts(
            gross_minor=int(row.gross_minor), fee_minor=int(row.fee_minor), net_minor=int(row.net_minor)
        )
        payment.unbalanced_entries.extend(row.unbalanced)
    for row in await connection.execute(_TRANSITIONS, {"ids": ids}):
        page[row.payment_id].transitions.append((row.from_status, row.to_status))


def _folded_facts(ids: Sequence[str]) -> Select[Any]:
    """Choose the facts that were folded: the applied ones, and conflicting ones, which leave an anomaly behind."""
    conflict = (INBOX.c.kind == FactKind.IGNORED.value) & (INBOX.c.reason == EVENT_ID_CONFLICT)
    return select(INBOX).where(
        INBOX.c.payment_id.in_(ids),
        (INBOX.c.disposition == "applied") | ((INBOX.c.disposition == "ignored") & conflict),
    )


def _fact(row: Row[Any]) -> Fact:
    return Fact(
        gateway=row.gateway,
        account=row.account,
        gateway_event_id=row.gateway_event_id,
        kind=FactKind(row.kind),
        provider_reference=row.provider_reference,
        occurred_at=row.occurred_at,
        amount_minor=row.amount_minor,
        currency=row.currency,
        movement_reference=row.movement_reference,
        reason=row.reason,
    )


def _payment(row: Row[Any]) -> AuditedPayment:
    return AuditedPayment(
        terms=terms_of(row),
        awaiting_approval=row.awaiting_approval,
        status=row.status,
        steps=frozenset((kind, reference, amount) for kind, reference, amount in row.steps),
        authorized_minor=row.authorized_minor,
        captured_minor=row.captured_minor,
        refunded_minor=row.refunded_minor,
        disputed_minor=row.disputed_minor,
        paid_at=row.paid_at,
        refunded_at=row.refunded_at,
    )
