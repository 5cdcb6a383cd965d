"""Shared by the tests of bank files: debtors, creditors and orders."""

import uuid
from datetime import UTC, date, datetime

from domain.bank_accounts import AccountKind, BankAccount, DebtorAccount, HolderKind
from services.bank_files.orders import CreditTransfer, PaymentGroup, PaymentOrder

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GERMAN = BankAccount(holder="Müller & Söhne", iban="DE89370400440532013000", bic="COBADEFFXXX")
DUTCH = BankAccount(holder="Bakkerij de Vries", iban="NL91ABNA0417164300", town="Den Haag", country="NL")
INDIAN = BankAccount(holder="Asha Rao", number="50100012345678", clearing_system="INFSC", bank_code="HDFC0001234")
AMERICAN = BankAccount(holder="Acme Inc.", number="12345678901234567", clearing_system="USABA", bank_code="021000021")
SAVER = BankAccount(
    holder="José Núñez",
    number="987",
    clearing_system="USABA",
    bank_code="011401533",
    holder_kind=HolderKind.INDIVIDUAL,
    account_kind=AccountKind.SAVINGS,
)
EURO_DEBTOR = DebtorAccount(account=BankAccount(holder="Shop Europe", iban="FR1420041010050500013M02606"))
DOLLAR_DEBTOR = DebtorAccount(
    account=BankAccount(holder="Shop America", number="555000", clearing_system="USABA", bank_code="091000019"),
    company_id="1234567890",
    bank_name="Bank of the Lakes",
)


def transfer(number: int, amount_minor: int, currency: str, creditor: BankAccount) -> CreditTransfer:
    """A transfer with an id of its own."""
    return CreditTransfer(
        batch_id=uuid.UUID(int=number),
        amount_minor=amount_minor,
        currency=currency,
        creditor=creditor,
        remittance="Payout 2026-01-01 to 2026-01-02",
    )


def group(debtor: DebtorAccount, currency: str, *transfers: CreditTransfer) -> PaymentGroup:
    """The transfers out of one account."""
    return PaymentGroup(debtor=debtor, currency=currency, transfers=transfers)


def order(*groups: PaymentGroup, modifier: int = 0) -> PaymentOrder:
    """A payment order of these groups."""
    return PaymentOrder(
        id=uuid.UUID(int=0xABC),
        initiator="Shop",
        created_at=NOW,
        execution_date=date(2026, 1, 5),
        groups=groups,
        modifier=modifier,
    )
