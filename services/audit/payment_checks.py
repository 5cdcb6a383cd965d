"""Checks of one payment at a time: what is stored against what its facts demand."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import PaystreamError
from domain.payment import PaymentState, Status, fold, status_of, totals
from domain.settlement import Recipient
from services.audit.payment_pages import Amounts, AuditedPayment, StoredStep, payment_pages
from services.audit.report import CheckName, CheckResult, Findings

PaymentCheck = Callable[[AuditedPayment], Iterator[str]]
"""Yields what is wrong with a payment, in words."""

FIRST_STATUSES = frozenset({Status.PENDING.value, Status.PENDING_APPROVAL.value})


def check_facts(payment: AuditedPayment) -> Iterator[str]:
    """Fold the payment's facts from nothing and compare."""
    if payment.unknown_facts:
        yield f"facts of a kind nobody knows: {', '.join(sorted(payment.unknown_facts))}"
    state = PaymentState(awaiting_approval=payment.awaiting_approval)
    for fact in payment.facts:
        state = fold(state, payment.terms, fact)
    sums = totals(state.steps)
    demanded = {
        "status": status_of(state, sums).value,
        "authorized_minor": sums.authorized,
        "captured_minor": sums.captured,
        "refunded_minor": sums.refunded,
        "disputed_minor": sums.dispute_open + sums.dispute_lost,
        "paid_at": state.paid_at,
        "refunded_at": state.refunded_at,
    }
    if payment.steps != state.steps:
        yield f"steps differ from its facts: {_difference(payment.steps, state.steps)}"
    for name, value in demanded.items():
        stored = getattr(payment, name)
        if stored != value:
            yield f"{name} is {stored}, its facts make it {value}"


def check_ledger(payment: AuditedPayment) -> Iterator[str]:
    """Sum what the state demands per ledger account and compare with what is posted."""
    demanded: Counter[tuple[str, str]] = Counter()
    for movement in payment.demanded:
        for ledger_account, amount_minor in movement.postings:
            demanded[ledger_account, payment.terms.currency] += amount_minor
    for account, currency in sorted(demanded.keys() | payment.postings.keys()):
        posted = payment.postings.get((account, currency), 0)
        if posted != demanded[account, currency]:
            yield f"{account} holds {posted} {currency}, its state demands {demanded[account, currency]}"


def check_entries(payment: AuditedPayment) -> Iterator[str]:
    """Sum the shares the state demands per recipient and compare with the settlement entries."""
    terms = payment.terms
    demanded: dict[Recipient, Amounts] = {}
    for movement in payment.demanded:
        for share in movement.shares:
            split = share.split
            recipient = Recipient(terms.account, split.recipient_type, split.recipient_id, terms.currency)
            amounts = Amounts(gross_minor=share.gross_minor, fee_minor=share.fee_minor, net_minor=share.net_minor)
            demanded[recipient] = demanded.get(recipient, Amounts()) + amounts
    for recipient in sorted(demanded.keys() | payment.entries.keys()):
        stored, wanted = payment.entries.get(recipient, Amounts()), demanded.get(recipient, Amounts())
        if stored != wanted:
            yield f"entries of {recipient.key} add up to {_in_words(stored)}, its state demands {_in_words(wanted)}"
    for entry_id in sorted(payment.unbalanced_entries):
        yield f"entry {entry_id}: net is not gross less fee"


def check_transitions(payment: AuditedPayment) -> Iterator[str]:
    """Walk the changes of status from the first to the present one."""
    if not payment.transitions:
        if payment.status not in FIRST_STATUSES:
            yield f"is {payment.status} and has no transition that led there"
        return
    first, last = payment.transitions[0][0], payment.transitions[-1][1]
    if first not in FIRST_STATUSES:
        yield f"the first transition is from {first}, where no payment begins"
    for (_, reached), (left, _) in zip(payment.transitions, payment.transitions[1:], strict=False):
        if reached != left:
            yield f"a transition leads to {reached} and the next one is from {left}"
    if last != payment.status:
        yield f"is {payment.status}, its last transition led to {last}"


PAYMENT_CHECKS: tuple[tuple[CheckName, PaymentCheck], ...] = (
    (
        CheckName("payments_match_facts", "Folding a payment's facts gives its steps, status, sums and times."),
        check_facts,
    ),
    (
        CheckName("payments_match_ledger", "A payment's postings per ledger account are what its state demands."),
        check_ledger,
    ),
    (
        CheckName(
            "entries_match_payments", "A payment's settlement entries give each recipient its share; net adds up."
        ),
        check_entries,
    ),
    (
        CheckName("status_transitions", "A payment's transitions are a chain that ends at its present status."),
        check_transitions,
    ),
)


async def run_payment_checks(connection: AsyncConnection) -> list[CheckResult]:
    """Run every check on every payment, in one pass over the table."""
    found = [(Findings(name), check) for name, check in PAYMENT_CHECKS]
    async for page in payment_pages(connection):
        for findings, check in found:
            _examine(page, findings, check)
    return [findings.result() for findings, _ in found]


def _examine(page: Sequence[AuditedPayment], findings: Findings, check: PaymentCheck) -> None:
    for payment in page:
        findings.examined += 1
        try:
            for message in check(payment):
                findings.add(payment.terms.payment_id, message)
        except (PaystreamError, ValueError) as error:
            findings.add(payment.terms.payment_id, f"cannot be recomputed: {error}")


def _difference(stored: frozenset[StoredStep], demanded: frozenset[StoredStep]) -> str:
    sides = (("stored only", stored - demanded), ("missing", demanded - stored))
    return "; ".join(f"{word} {', '.join(sorted(map(_step_in_words, steps)))}" for word, steps in sides if steps)


def _step_in_words(step: StoredStep) -> str:
    kind, reference, amount_minor = step
    return f"({kind}, {reference}, {amount_minor})"


def _in_words(amounts: Amounts) -> str:
    return f"gross {amounts.gross_minor}, fee {amounts.fee_minor}, net {amounts.net_minor}"
