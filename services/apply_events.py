"""Apply a batch of facts in one transaction: inbox, payments, ledger, settlement entries and outbox together.

Facts may be repeated, out of order, about payments nobody knows, or contradictory; each is recorded exactly once and
moves money at most once. A hint moves nothing: it only makes the payment due to be read back from its gateway. The
caller acknowledges its Kafka records only after this has committed.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.events import new_milestones
from domain.facts import Fact, FactKind, Trust
from domain.identifiers import time_ordered_id
from domain.ledger import Movement, movements
from domain.movements import DISPUTE_KINDS, REFUND_KINDS, movement_standing
from domain.payment import find_problem, fold, status_of
from domain.settlement import Recipient
from services.messages import entry_id, payment_event, settlement_entry
from services.recorded_facts import as_conflict, as_recorded, contradicts
from services.waiting_facts import adopt_waiting, may_name, name_payments
from storage.inbox import Disposition, FactKey, InboxRow, key_of
from storage.ledger import LedgerTransaction
from storage.movements import EventRow, MovementRow
from storage.outbox import OutboxMessage
from storage.payments import PaymentRecord, Reference
from storage.settlement import EntryRow
from storage.transitions import TransitionRow
from storage.unit_of_work import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFact:
    """A fact and where its raw callback lies; no position for answers of a gateway's API."""

    fact: Fact
    raw_partition: int | None = None
    raw_offset: int | None = None


@dataclass(slots=True)
class ApplyReport:
    """What became of a batch, in numbers of facts."""

    applied: int = 0
    duplicates: int = 0
    ignored: int = 0
    orphaned: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class _Effects:
    """What the batch writes, collected while folding."""

    payments: dict[str, PaymentRecord] = field(default_factory=dict)
    transitions: list[TransitionRow] = field(default_factory=list)
    transactions: list[LedgerTransaction] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    messages: list[OutboxMessage] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    refunds: dict[Reference, MovementRow] = field(default_factory=dict)
    disputes: dict[Reference, MovementRow] = field(default_factory=dict)


async def apply_events(database: Database, received: Sequence[ReceivedFact], now: datetime) -> ApplyReport:
    """Apply facts in a transaction of their own."""
    async with database.transaction() as transaction:
        return await apply_facts(transaction, received, now)


async def apply_facts(transaction: Transaction, received: Sequence[ReceivedFact], now: datetime) -> ApplyReport:
    """Apply facts within a transaction that the caller commits."""
    report = ApplyReport()
    unique, contradicting = _drop_repeats(received, report)
    await _keep_conflicts(transaction, unique, contradicting, report)
    facts = [item.fact for item in unique.values()]
    known = await _find_names(transaction, facts)
    named = _match(known, facts)
    wanted = {*named.values(), *(fact.payment_id for fact in facts if fact.payment_id is not None)}
    payments = await transaction.payments.lock(wanted)
    owners = _owners(facts, named, payments)
    fresh = await _record(transaction, unique, owners, report, now)
    naming = [unique[key].fact for key in fresh if key in owners and may_name(unique[key].fact)]
    new_names = await _name_payments(transaction, naming, known, owners, payments)
    by_payment: dict[str, list[Fact]] = defaultdict(list)
    for payment_id, fact in await adopt_waiting(transaction, new_names):
        by_payment[payment_id].append(fact)
    for key in fresh & owners.keys():
        if unique[key].fact.trust is Trust.HINT:
            await transaction.payments.plan_sync(owners[key], now)
        else:
            by_payment[owners[key]].append(unique[key].fact)
    await _write(transaction, _fold_all(payments, by_payment), now)
    return report


async def apply_orphans(
    transaction: Transaction, payment_id: str, references: Sequence[Reference], now: datetime
) -> int:
    """Apply facts that came before their payment was known under these names; returns how many there were."""
    facts = [fact for _, fact in await adopt_waiting(transaction, {(each, payment_id) for each in references})]
    if facts:
        payments = await transaction.payments.lock({payment_id})
        await _write(transaction, _fold_all(payments, {payment_id: facts}), now)
    return len(facts)


def _drop_repeats(
    received: Sequence[ReceivedFact], report: ApplyReport
) -> tuple[dict[FactKey, ReceivedFact], list[ReceivedFact]]:
    """Keep the first fact of every event id, and apart from them those that say something else than the first."""
    unique: dict[FactKey, ReceivedFact] = {}
    contradicting: list[ReceivedFact] = []
    for item in map(_as_recorded, received):
        known = unique.setdefault(key_of(item.fact), item)
        if known is item:
            continue
        if contradicts(item.fact, known.fact.content_digest()):
            contradicting.append(item)
        else:
            report.duplicates += 1
    return unique, contradicting


def _as_recorded(item: ReceivedFact) -> ReceivedFact:
    fact = as_recorded(item.fact)
    return item if fact is item.fact else replace(item, fact=fact)


async def _keep_conflicts(
    transaction: Transaction,
    unique: dict[FactKey, ReceivedFact],
    contradicting: Sequence[ReceivedFact],
    report: ApplyReport,
) -> None:
    """Take facts that contradict the first of their batch for conflicts, unless they are what the inbox has."""
    known = await transaction.inbox.digests({key_of(item.fact) for item in contradicting})
    for item in contradicting:
        if known.get(key_of(item.fact)) == item.fact.content_digest():
            report.duplicates += 1
        else:
            conflict = replace(item, fact=as_conflict(item.fact))
            unique.setdefault(key_of(conflict.fact), conflict)


async def _find_names(transaction: Transaction, facts: Sequence[Fact]) -> dict[Reference, str]:
    """Look up which payments the names mean that the gateways use; names nobody knows are absent."""
    known = await transaction.payments.resolve(_names(facts))
    owners = _match(known, facts)
    if unknown := [fact for fact in facts if key_of(fact) not in owners]:
        # A payment may be given one of these names at this very moment; after the lock we see it, or it sees us.
        names = _names(unknown)
        await transaction.payments.lock_references(names)
        known |= await transaction.payments.resolve(names)
    return known


def _names(facts: Sequence[Fact]) -> set[Reference]:
    return {(fact.gateway, fact.account, reference) for fact in facts for reference in fact.references}


def _match(known: dict[Reference, str], facts: Sequence[Fact]) -> dict[FactKey, str]:
    """Say which payment each fact is about, by its names; the first that is known counts."""
    owners: dict[FactKey, str] = {}
    for fact in facts:
        matches = (known.get((fact.gateway, fact.account, reference)) for reference in fact.references)
        if payment_id := next(filter(None, matches), None):
            owners[key_of(fact)] = payment_id
    return owners


def _owners(facts: Sequence[Fact], named: dict[FactKey, str], payments: dict[str, PaymentRecord]) -> dict[FactKey, str]:
    """Settle whose each fact is; a fact without an owner becomes an orphan.

    A payment id that a gateway merely echoes counts only while the payment has no name at the gateway, and then for
    one name only: otherwise metadata copied from one payment to another would move the first one's money.
    """
    owners: dict[FactKey, str] = {}
    first_names: dict[str, str] = {}
    for fact in sorted(facts, key=_event_order):
        key = key_of(fact)
        payment = payments.get(named.get(key) or fact.payment_id or "")
        if payment is None or (payment.terms.gateway, payment.terms.account) != (fact.gateway, fact.account):
            continue
        if key not in named:
            name = payment.provider_reference or first_names.get(payment.id)
            if name is None and may_name(fact):
                name = first_names[payment.id] = fact.provider_reference
            # A hint moves nothing: it may say by our own id alone that there is news of the payment.
            if name is not None and name not in fact.references and fact.trust is Trust.SIGNED:
                continue
        owners[key] = payment.id
    return owners


def _event_order(fact: Fact) -> tuple[datetime, str]:
    return (fact.occurred_at, fact.gateway_event_id)


async def _record(
    transaction: Transaction,
    unique: dict[FactKey, ReceivedFact],
    owners: dict[FactKey, str],
    report: ApplyReport,
    now: datetime,
) -> set[FactKey]:
    """Write the inbox and return the keys that are new: only these may have an effect."""
    rows = [_inbox_row(item, owners.get(key)) for key, item in unique.items()]
    fresh = await transaction.inbox.insert(rows, now)
    for row in rows:
        if key_of(row.fact) in fresh:
            _count(report, row)
    seen = [row for row in rows if key_of(row.fact) not in fresh]
    known = await transaction.inbox.digests([key_of(row.fact) for row in seen])
    for row in seen:
        if not contradicts(row.fact, known[key_of(row.fact)]):
            report.duplicates += 1
            continue
        conflict = replace(unique[key_of(row.fact)], fact=as_conflict(row.fact))
        unique[key_of(conflict.fact)] = conflict
        if row.payment_id is not None:
            owners[key_of(conflict.fact)] = row.payment_id
        fresh |= await transaction.inbox.insert([_inbox_row(conflict, row.payment_id)], now)
        report.conflicts += 1
    return fresh


def _inbox_row(item: ReceivedFact, payment_id: str | None) -> InboxRow:
    fact = item.fact
    if fact.kind is FactKind.IGNORED or fact.trust is Trust.HINT:
        disposition: Disposition = "ignored"
    else:
        disposition = "orphaned" if payment_id is None else "applied"
    return InboxRow(
        fact=fact,
        digest=fact.content_digest(),
        payment_id=payment_id,
        disposition=disposition,
        raw_partition=item.raw_partition,
        raw_offset=item.raw_offset,
    )


def _count(report: ApplyReport, row: InboxRow) -> None:
    if row.disposition == "applied":
        report.applied += 1
    elif row.disposition == "ignored":
        report.ignored += 1
    else:
        report.orphaned += 1


async def _name_payments(
    transaction: Transaction,
    facts: Sequence[Fact],
    known: dict[Reference, str],
    owners: dict[FactKey, str],
    payments: dict[str, PaymentRecord],
) -> set[tuple[Reference, str]]:
    """Remember new names, so that later facts that carry only one of them are found; returns them."""
    told = {(name, owners[key_of(fact)]) for fact in facts for name in _names([fact]) if name not in known}
    new = await name_payments(transaction, told)
    for fact in sorted(facts, key=_event_order):
        payment = payments[owners[key_of(fact)]]
        if payment.provider_reference is None:
            await transaction.payments.set_provider_reference(payment.id, fact.provider_reference)
            payments[payment.id] = replace(payment, provider_reference=fact.provider_reference)
    return new


def _fold_all(payments: dict[str, PaymentRecord], by_payment: dict[str, list[Fact]]) -> _Effects:
    effects = _Effects()
    for payment_id in sorted(by_payment):
        payment = payments[payment_id]
        for fact in sorted(by_payment[payment_id], key=_event_order):
            payment = _fold_one(payment, fact, effects)
        if payment.state != payments[payment_id].state:
            effects.payments[payment_id] = payment
    return effects


def _fold_one(payment: PaymentRecord, fact: Fact, effects: _Effects) -> PaymentRecord:
    state = fold(payment.state, payment.terms, fact)
    status = status_of(state)
    milestones = new_milestones(payment.state, state, payment.terms)
    changed = replace(
        payment,
        state=state,
        status=status,
        event_sequence=payment.event_sequence + len(milestones),
        changed_by=f"gateway:{fact.gateway}",
        request_id=fact.gateway_event_id,
    )
    for movement in movements(payment.state, state, payment.terms):
        effects.transactions.append(_ledger_transaction(movement, changed, fact))
        effects.entries.extend(_entries(movement, changed, fact))
    for sequence, milestone in enumerate(milestones, start=payment.event_sequence + 1):
        message, row = payment_event(changed, milestone, sequence, fact.occurred_at)
        effects.messages.append(message)
        effects.events.append(row)
    _note_movement(changed, fact, effects)
    if status is not payment.status:
        effects.transitions.append(
            TransitionRow(
                payment_id=payment.id,
                from_status=payment.status,
                to_status=status,
                gateway_event_id=fact.gateway_event_id,
                occurred_at=fact.occurred_at,
            )
        )
    return changed


def _note_movement(payment: PaymentRecord, fact: Fact, effects: _Effects) -> None:
    """Keep the refund or dispute that a fact is about, as the payment's steps now have it."""
    for kinds, rows in ((REFUND_KINDS, effects.refunds), (DISPUTE_KINDS, effects.disputes)):
        reference = fact.movement_reference
        if fact.kind not in kinds or reference is None or find_problem(payment.terms, fact) is not None:
            continue
        status, amount_minor = movement_standing(payment.state.steps, reference, kinds)
        rows[fact.gateway, fact.account, reference] = MovementRow(
            gateway=fact.gateway,
            account=fact.account,
            reference=reference,
            payment_id=payment.id,
            status=status,
            amount_minor=amount_minor,
            currency=payment.terms.currency,
            reason=fact.reason,
            evidence_due_at=fact.evidence_due_at,
            occurred_at=fact.occurred_at,
            changed_by=payment.changed_by,
            request_id=payment.request_id,
        )


def _ledger_transaction(movement: Movement, payment: PaymentRecord, fact: Fact) -> LedgerTransaction:
    identity = f"{payment.id}|{movement.cause}|{fact.gateway}|{fact.account}|{fact.gateway_event_id}"
    return LedgerTransaction(
        id=time_ordered_id(fact.occurred_at, identity),
        account=payment.terms.account,
        payment_id=payment.id,
        payout_batch_id=None,
        cause=movement.cause,
        reference=fact.movement_reference,
        currency=payment.terms.currency,
        occurred_at=fact.occurred_at,
        postings=movement.postings,
    )


def _entries(movement: Movement, payment: PaymentRecord, fact: Fact) -> list[EntryRow]:
    entries = []
    for share in movement.shares:
        split, terms = share.split, payment.terms
        recipient = Recipient(terms.account, split.recipient_type, split.recipient_id, terms.currency)
        entries.append(
            EntryRow(
                id=entry_id(payment.id, movement.cause, recipient, fact.gateway_event_id, fact.occurred_at),
                recipient=recipient,
                payment_id=payment.id,
                gateway=terms.gateway,
                cause=movement.cause,
                gross_minor=share.gross_minor,
                fee_minor=share.fee_minor,
                net_minor=share.net_minor,
                occurred_at=fact.occurred_at,
            )
        )
    return entries


async def _write(transaction: Transaction, effects: _Effects, now: datetime) -> None:
    await transaction.payments.save(list(effects.payments.values()), now)
    await transaction.transitions.add(effects.transitions, now)
    await transaction.ledger.post(effects.transactions, now)
    await transaction.settlement.add_entries(effects.entries, now)
    await transaction.movements.save_refunds(list(effects.refunds.values()), now)
    await transaction.movements.save_disputes(list(effects.disputes.values()), now)
    await transaction.movements.add_events(effects.events, now)
    await transaction.outbox.add([*effects.messages, *(settlement_entry(entry) for entry in effects.entries)])
