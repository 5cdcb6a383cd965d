"""Shared by the tests of services: an account with payments, facts about them, and what the books say."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from domain.facts import Fact, FactKind
from domain.payment import PaymentState, PaymentTerms, Split, Status
from services.apply_events import ReceivedFact
from storage.accounts import Account
from storage.payments import PaymentRecord
from storage.unit_of_work import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AMOUNT = 1_000


async def open_account(database: Database, name: str = "demo", *, fee_basis_points: int = 290) -> None:
    """Create an account with a fee."""
    async with database.transaction() as transaction:
        await transaction.accounts.create(Account(name, name, fee_basis_points, 30))


async def open_payment(
    database: Database,
    payment_id: str = "p1",
    *,
    reference: str | None = "pi_1",
    account: str = "demo",
    partner_minor: int = 0,
) -> PaymentRecord:
    """Create a payment of 10.00 USD at Stripe, with a partner's part if asked for."""
    tenant = Split("tenant", account, AMOUNT - partner_minor)
    splits = (Split("partner", "atelier", partner_minor), tenant) if partner_minor else (tenant,)
    payment = PaymentRecord(
        terms=PaymentTerms(
            payment_id=payment_id,
            account=account,
            gateway="stripe",
            amount_minor=AMOUNT,
            currency="USD",
            splits=splits,
            fee_basis_points=290,
            fee_fixed_minor=30,
        ),
        state=PaymentState(),
        status=Status.PENDING,
        resource_type="order",
        resource_id="o1",
        created_at=NOW,
        provider_reference=reference,
    )
    async with database.transaction() as transaction:
        await transaction.payments.insert(payment)
        if reference is not None:
            await transaction.payments.add_references([(("stripe", account, reference), payment_id)])
    return payment


def fact(event_id: str, kind: FactKind, **changes: object) -> Fact:
    """A fact about pi_1, with sensible values for its kind."""
    values: dict[str, object] = {
        "gateway": "stripe",
        "account": "demo",
        "gateway_event_id": event_id,
        "kind": kind,
        "provider_reference": "pi_1",
        "occurred_at": NOW + timedelta(seconds=len(event_id)),
        "amount_minor": AMOUNT,
        "currency": "USD",
        "movement_reference": "ch_1",
    }
    return Fact(**{**values, **changes})  # type: ignore[arg-type]  # the values' types are checked by the constructor's users


def received(*facts: Fact) -> list[ReceivedFact]:
    """Facts as they come to be applied."""
    return [ReceivedFact(fact=one) for one in facts]


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """Ask the tables something."""
    async with database.transaction() as transaction:
        return [tuple(row) for row in await transaction.connection.execute(text(query))]


async def balances(database: Database) -> dict[str, int]:
    """The ledger by account, without accounts that are at zero."""
    async with database.transaction() as transaction:
        return {account: amount for account, _, amount in await transaction.ledger.balances() if amount}


async def events(database: Database) -> list[str]:
    """The types of the domain events in the outbox, in the order they were written."""
    found = await rows(
        database, "select payload::jsonb ->> 'type' from outbox where aggregatetype = 'payments.events.v1' order by id"
    )
    return [str(row[0]) for row in found]
