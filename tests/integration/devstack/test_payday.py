"""The demo's payday against a real database: every promise is kept by the services, and the audit agrees."""

import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from devstack.demo.expectations import expectations_of
from devstack.demo.payday import Payday, hold_payday
from devstack.demo.stripe_report import StripeRecords
from devstack.demo.treasury import Treasury
from domain.facts import FactKind
from domain.payment import PaymentState, PaymentTerms, Split, Status
from services.apply_events import apply_events
from services.audit.run import audit_database
from services.settle import SettlementRules, catch_up, close_windows
from storage.payments import PaymentRecord
from storage.settlement_rules import PayoutThresholds
from storage.unit_of_work import Database
from tests.integration.services.banking import new_ring
from tests.integration.services.books import NOW, fact, open_account, received

RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0)
AFTER = NOW + timedelta(days=1)
AMOUNT = 10_000
PARTNER_MINOR = 500
THRESHOLDS = (
    PayoutThresholds(currency="INR", auto_approve_minor=PARTNER_MINOR),
    PayoutThresholds(currency="USD", auto_approve_minor=PARTNER_MINOR, second_approval_minor=PARTNER_MINOR),
    PayoutThresholds(currency="JPY", minimum_payout_minor=AMOUNT),
)


async def sell(database: Database, currency: str) -> None:
    """Capture a payment of which the partner has a part."""
    splits = (Split("partner", "atelier", PARTNER_MINOR), Split("tenant", "demo", AMOUNT - PARTNER_MINOR))
    payment = PaymentRecord(
        terms=PaymentTerms(
            payment_id=f"p-{currency}",
            account="demo",
            gateway="stripe",
            amount_minor=AMOUNT,
            currency=currency,
            splits=splits,
            fee_basis_points=290,
            fee_fixed_minor=30,
        ),
        state=PaymentState(),
        status=Status.PENDING,
        resource_type="order",
        resource_id="o1",
        created_at=NOW,
        provider_reference=f"pi_{currency}",
    )
    async with database.transaction() as transaction:
        await transaction.payments.insert(payment)
        await transaction.payments.add_references([(("stripe", "demo", f"pi_{currency}"), f"p-{currency}")])
    captured = fact(
        f"evt_{currency}",
        FactKind.CAPTURED,
        provider_reference=f"pi_{currency}",
        movement_reference=f"ch_{currency}",
        amount_minor=AMOUNT,
        currency=currency,
        occurred_at=NOW,
    )
    await apply_events(database, received(captured), NOW)


def recorded(*currencies: str) -> Callable[[], Awaitable[StripeRecords]]:
    """What Stripe has of the payments."""
    transactions = [
        {
            "id": f"txn_{currency}",
            "source": f"ch_{currency}",
            "type": "charge",
            "reporting_category": "charge",
            "amount": AMOUNT,
            "net": AMOUNT,
            "fee": 0,
            "currency": currency.lower(),
            "created": int(NOW.timestamp()),
        }
        for currency in currencies
    ]
    charges = {
        f"ch_{currency}": {"id": f"ch_{currency}", "payment_intent": f"pi_{currency}"} for currency in currencies
    }

    async def read() -> StripeRecords:
        return StripeRecords(transactions=list(transactions), charges=dict(charges), refunds={})

    return read


async def live(database: Database, directory: Path, *currencies: str) -> Payday:
    """Sell, settle, and hold the payday."""
    await open_account(database)
    treasury = Treasury(database, new_ring(), directory, lambda _: None)
    await treasury.set_thresholds(THRESHOLDS)
    for currency in currencies:
        await sell(database, currency)
    await catch_up(database, RULES, AFTER + timedelta(days=9))
    await close_windows(database, RULES, AFTER)
    return await hold_payday(database, treasury, recorded(*currencies), directory, lambda _: None)


def kept(directory: Path) -> dict[str, int]:
    """The files of a directory, and who may do what with them."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_everything_that_is_promised_happens_and_the_books_are_right(database: Database, tmp_path: Path) -> None:
    day = await live(database, tmp_path, "INR", "USD", "JPY")
    assert [one.description for one in expectations_of(day) if not one.holds] == []
    assert day.file is not None
    assert day.reconciled is not None
    assert {one.status for one in day.payouts} == {"completed", "approved", "draft"}
    assert kept(tmp_path) == dict.fromkeys((day.file.path.name, "bank-statement.xml", "stripe-balance.csv"), 0o600)
    assert "99.00 USD" in day.reconciled.breaks[0].detail
    async with database.transaction() as transaction:
        # Here nobody relays; what waits to be published is not what this test is about.
        await transaction.connection.execute(text("delete from outbox"))
    report = await audit_database(database)
    assert report.holds, report.to_json()


@pytest.mark.parametrize(("sold", "lacking"), [(("JPY", "USD"), "executed"), (("INR", "JPY"), "second person")])
async def test_what_could_not_be_shown_is_missed(
    database: Database, tmp_path: Path, sold: tuple[str, ...], lacking: str
) -> None:
    day = await live(database, tmp_path, *sold)
    missed = [one.description for one in expectations_of(day) if not one.holds]
    assert any(lacking in description for description in missed)
