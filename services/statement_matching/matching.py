"""Match an account's books with the statements it has imported, as often as anybody likes.

One transaction: what matches is settled for good, and what it shows is posted (a gateway's fees, its payouts to our
bank); what differs is a break, opened once; a break that a later statement explains closes itself. What a person
resolved is never looked at again.
"""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.errors import InvariantViolated
from domain.matching import Break, BreakKind, ExpectedFee, Item, Match, Outcome, Tolerance, match_items
from domain.money import to_decimal_string
from domain.reconciliation_books import Difference, ReconciliationCause, Stage, match_postings
from storage.ledger import LedgerTransaction
from storage.reconciliation_results import BreakRow, MatchRow, ReconciliationResults
from storage.reconciliation_sides import INCOMING, OUTGOING, ReconciliationSides
from storage.statements import Statements
from storage.unit_of_work import Database, Transaction

ACTOR = "agent:statement-matching"
SETTLED_ITSELF = "the statements agree with the books now"

_CAUSES: Mapping[Stage, ReconciliationCause] = {
    Stage.MOVEMENT: ReconciliationCause.GATEWAY_FEE,
    Stage.GATEWAY_PAYOUT: ReconciliationCause.GATEWAY_PAYOUT_RECEIVED,
    Stage.PAYOUT: ReconciliationCause.ADJUSTMENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRules:
    """What is no difference: minor units per currency, days until statements tell, what gateways charge."""

    minor_by_currency: Mapping[str, int] = field(default_factory=dict)
    gateway_days: int = 3
    bank_days: int = 5
    fees: Mapping[str, ExpectedFee] = field(default_factory=dict)

    @property
    def at_gateways(self) -> Tolerance:
        """How movements are compared with gateways' lines."""
        return Tolerance(minor_by_currency=self.minor_by_currency, days=self.gateway_days, fees=self.fees)

    @property
    def at_banks(self) -> Tolerance:
        """How payouts are compared with banks' lines, which often do not say what they are for."""
        return Tolerance(minor_by_currency=self.minor_by_currency, days=self.bank_days, by_amount=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingReport:
    """What a run found. `breaks` counts those that are open now, by kind."""

    matched: int
    breaks: Mapping[BreakKind, int]
    opened: int
    closed: int
    waiting: int


async def match_statements(
    database: Database, account: str, rules: MatchingRules, *, now: datetime, actor: str = ACTOR
) -> MatchingReport:
    """Compare everything of an account that is not settled yet. Nothing changes when it is run again."""
    async with database.transaction(actor) as transaction:
        await Statements(transaction.connection).lock(account)
        results = ReconciliationResults(transaction.connection)
        await results.let_go_of_open_breaks(account)
        outcomes = await _compare(transaction, account, rules)
        posted = [_posting(account, match) for outcome in outcomes for match in outcome.matches]
        matches = [
            _match_row(account, match, posting, now)
            for match, posting in zip((match for outcome in outcomes for match in outcome.matches), posted, strict=True)
        ]
        await transaction.ledger.post([posting for posting in posted if posting is not None], now)
        await results.add_matches(matches)
        breaks = {_break_id(account, found): found for outcome in outcomes for found in outcome.breaks}
        opened = await results.put_breaks(
            [_break_row(account, break_id, found, now) for break_id, found in breaks.items()],
            {break_id: found.items for break_id, found in breaks.items()},
        )
        closed = await results.close_settled(account, breaks, by=actor, resolution=SETTLED_ITSELF, now=now)
    return MatchingReport(
        matched=len(matches),
        breaks=dict(Counter(found.kind for found in breaks.values())),
        opened=opened,
        closed=closed,
        waiting=sum(len(outcome.waiting) for outcome in outcomes),
    )


async def _compare(transaction: Transaction, account: str, rules: MatchingRules) -> list[Outcome]:
    sides = ReconciliationSides(transaction.connection, account, max(rules.gateway_days, rules.bank_days))
    coverage = await sides.coverage()
    movements, lines = await sides.movements(), await sides.gateway_lines()
    payouts = [*await sides.gateway_payouts(), *await sides.payouts()]
    bank_lines = await sides.bank_lines()
    return [
        match_items(movements, lines, rules.at_gateways, coverage, await sides.taken(lines)),
        match_items(payouts, bank_lines, rules.at_banks, coverage, await sides.taken(bank_lines)),
    ]


def stage_of(ours: Item | None, theirs: Item | None) -> Stage:
    """What was compared, by the kind of the items; money at the bank that nobody knows is told apart by its way."""
    item = ours or theirs
    if item is None:
        raise InvariantViolated("a match or a break has no item")
    if item.kind not in {INCOMING, OUTGOING}:
        return Stage.MOVEMENT
    if ours is not None:
        return Stage.PAYOUT if ours.id.startswith("payout:") else Stage.GATEWAY_PAYOUT
    return Stage.GATEWAY_PAYOUT if item.kind == INCOMING else Stage.PAYOUT


def _difference(ours: Item | None, theirs: Item | None) -> Difference:
    return Difference(
        stage=stage_of(ours, theirs),
        gateway=next((item.gateway for item in (ours, theirs) if item is not None and item.gateway), None),
        expected_minor=None if ours is None else ours.amount_minor,
        actual_minor=None if theirs is None else theirs.amount_minor,
        fee_minor=0 if theirs is None else theirs.fee_minor,
    )


def _match_id(account: str, match: Match) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"reconciliation-match|{account}|{match.ours.id}|{match.theirs.id}")


def _break_id(account: str, found: Break) -> uuid.UUID:
    said = "|".join(item.id for item in found.items)
    return uuid.uuid5(uuid.NAMESPACE_OID, f"reconciliation-break|{account}|{found.kind}|{said}")


def _posting(account: str, match: Match) -> LedgerTransaction | None:
    """What a match shows to have happened, once; None when everything of it is posted already."""
    difference = _difference(match.ours, match.theirs)
    postings = match_postings(difference)
    if not postings:
        return None
    return LedgerTransaction(
        id=uuid.uuid5(_match_id(account, match), "posting"),
        account=account,
        payment_id=None,
        payout_batch_id=None,
        cause=_CAUSES[difference.stage],
        reference=match.ours.id,
        currency=match.ours.currency,
        occurred_at=match.theirs.at,
        postings=postings,
    )


def _match_row(account: str, match: Match, posting: LedgerTransaction | None, now: datetime) -> MatchRow:
    return MatchRow(
        id=_match_id(account, match),
        account=account,
        stage=stage_of(match.ours, match.theirs),
        currency=match.ours.currency,
        expected_minor=match.ours.amount_minor,
        actual_minor=match.theirs.amount_minor,
        fee_minor=match.theirs.fee_minor,
        ledger_transaction_id=None if posting is None else posting.id,
        matched_at=now,
        items=(match.ours, match.theirs),
    )


def _break_row(account: str, break_id: uuid.UUID, found: Break, now: datetime) -> BreakRow:
    difference = _difference(found.ours, found.theirs)
    first = found.items[0]
    return BreakRow(
        id=break_id,
        account=account,
        stage=difference.stage,
        kind=found.kind,
        gateway=difference.gateway,
        currency=first.currency,
        expected_minor=difference.expected_minor,
        actual_minor=difference.actual_minor,
        fee_minor=difference.fee_minor,
        detail=_in_words(found),
        items=tuple(item.id for item in found.items),
        occurred_at=first.at,
        opened_at=now,
    )


def _in_words(found: Break) -> str:
    """What differs, as a sentence for a person."""
    ours, theirs = found.ours, found.theirs
    here = "" if ours is None else f"the books have {_money(ours)} ({ours.id})"
    if theirs is None:
        return f"{here}, and {_place(ours)} does not tell of it"
    there = f"{_place(theirs)} tells of {_money(theirs)}"
    if ours is None:
        again = "once more" if found.kind is BreakKind.DUPLICATE else "and the books do not know it"
        return f"{there} ({theirs.names[0] if theirs.names else theirs.id}), {again}"
    if found.kind is BreakKind.FEE:
        return f"{there} ({ours.id}), and kept another fee than agreed: {_amount(theirs.fee_minor, theirs.currency)}"
    return f"{here}, {there}"


def _place(item: Item | None) -> str:
    return "the bank" if item is None or item.kind in {INCOMING, OUTGOING} else item.place


def _money(item: Item) -> str:
    return _amount(item.amount_minor, item.currency)


def _amount(amount_minor: int, currency: str) -> str:
    return f"{to_decimal_string(amount_minor, currency)} {currency}"
