"""What the demo does once everything is settled: approve, pay out, reconcile; and what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import stripe

from devstack.demo.bank import FileRefused, write_statement
from devstack.demo.plan import ACCOUNT
from devstack.demo.reconciling import Reconciled, reconcile
from devstack.demo.stripe_report import StripeRecords, write_report
from devstack.demo.treasury import MOST_BATCHES, SentFile, Treasury
from domain.errors import PaystreamError
from services.payouts import find_payouts
from storage.unit_of_work import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A payout batch as it stands at the end; amounts in minor units."""

    recipient: str
    currency: str
    status: str
    entry_count: int
    gross_minor: int
    fee_minor: int
    net_minor: int
    created_by: str
    approved_by: str | None
    required_approvals: int
    bank_reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payday:
    """What came of it. `problems` says what did not go as it should; what is missing then is None."""

    file: SentFile | None = None
    reconciled: Reconciled | None = None
    payouts: tuple[Payout, ...] = ()
    refusals: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


async def hold_payday(
    database: Database,
    treasury: Treasury,
    stripe_records: Callable[[], Awaitable[StripeRecords]],
    directory: Path,
    announce: Callable[[str], None],
) -> Payday:
    """Go through every step. What goes wrong is not hidden, and ends the day: it is among the problems."""
    sent, reconciled, problems = None, None, []
    try:
        await treasury.open_bank_accounts()
        await treasury.approve()
        sent, bookings = await treasury.send()
        await treasury.complete(bookings)
        report, planted = write_report(await stripe_records())
        reconciled = await reconcile(database, directory, report, planted, write_statement(bookings, datetime.now(UTC)))
        announce(f"Compared the books with Stripe's report and the bank's statement: {reconciled.matched} matched")
    except (PaystreamError, FileRefused, stripe.StripeError) as error:
        problems.append(f"{type(error).__name__}: {error}")
    return Payday(
        file=sent,
        reconciled=reconciled,
        payouts=await read_payouts(database),
        refusals=tuple(treasury.refusals),
        problems=tuple(problems),
    )


async def read_payouts(database: Database) -> tuple[Payout, ...]:
    """Every payout batch there is."""
    batches, _ = await find_payouts(database, ACCOUNT, {}, limit=MOST_BATCHES, after=None, ascending=True)
    return tuple(
        Payout(
            recipient=f"{batch.recipient.recipient_type}:{batch.recipient.recipient_id}",
            currency=batch.recipient.currency,
            status=batch.status.value,
            entry_count=batch.totals.entry_count,
            gross_minor=batch.totals.gross_minor,
            fee_minor=batch.totals.fee_minor,
            net_minor=batch.totals.net_minor,
            created_by=batch.created_by,
            approved_by=batch.approved_by,
            required_approvals=batch.required_approvals,
            bank_reference=batch.bank_reference,
        )
        for batch in batches
    )
