"""The people who pay out in the demo: Ann keeps bank accounts, Bob checks what others did, Cleo deals with the bank."""

import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devstack.demo.bank import Booking, read_payment_file
from devstack.demo.payout_rules import ONE_PERSON, TWO_PEOPLE
from devstack.demo.plan import ACCOUNT, PARTNER
from domain.bank_accounts import BankAccount, DebtorAccount
from domain.errors import OperationNotAllowed
from domain.money import to_decimal_string
from domain.settlement import BatchStatus, Recipient
from services.bank_accounts import confirm_recipient_account, set_debtor_account, set_recipient_account
from services.bank_files.export import export_bank_file
from services.bank_files.formats import BankFileFormat
from services.payouts import approve_payout, execute_payout, find_payouts
from services.settlement_rules import set_thresholds
from storage.sealing import KeyRing
from storage.settlement import BatchRow
from storage.settlement_rules import PayoutThresholds
from storage.unit_of_work import Database

ANN, BOB, CLEO = "ann", "bob", "cleo"
REQUEST = "demo"
MOST_BATCHES = 1_000

TENANT = Recipient(ACCOUNT, "tenant", ACCOUNT, ONE_PERSON)
TWICE_APPROVED = Recipient(ACCOUNT, "tenant", ACCOUNT, TWO_PEOPLE)
PARTNER_PAID = Recipient(ACCOUNT, "partner", PARTNER, TWO_PEOPLE)
PARTNER_UNCONFIRMED = Recipient(ACCOUNT, "partner", PARTNER, ONE_PERSON)


def _indian(holder: str, number: str) -> BankAccount:
    return BankAccount(holder=holder, number=number, clearing_system="INFSC", bank_code="DEMO0000001")


def _american(holder: str, number: str) -> BankAccount:
    return BankAccount(holder=holder, number=number, clearing_system="USABA", bank_code="091000019")


RECIPIENTS: Mapping[Recipient, BankAccount] = {
    TENANT: _indian("Demo Shop", "50100011112222"),
    PARTNER_PAID: _american("Atelier", "33334444"),
    PARTNER_UNCONFIRMED: _indian("Atelier", "50100055556666"),
}
DEBTORS: Mapping[str, BankAccount] = {
    ONE_PERSON: _indian("Demo Payments", "50200077778888"),
    TWO_PEOPLE: _american("Demo Payments", "99990000"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A bank file that was written and that the bank took: where it is, what it pays in minor units, its SHA-256."""

    path: Path
    format: str
    transfer_count: int
    totals: Mapping[str, int]
    digest: str


class Treasury:
    """Pays batches out through the services that `paystream payouts` calls, each step in somebody's name."""

    def __init__(self, database: Database, ring: KeyRing, directory: Path, announce: Callable[[str], None]) -> None:
        self._database = database
        self._ring = ring
        self._directory = directory
        self._announce = announce
        self.refusals: list[str] = []

    async def set_thresholds(self, thresholds: Sequence[PayoutThresholds]) -> None:
        """Say who has to approve what."""
        for one in thresholds:
            await set_thresholds(self._database, ACCOUNT, one, actor=ANN, now=_now())

    async def open_bank_accounts(self) -> None:
        """Store every bank account in Ann's name; Bob confirms those that are to be paid into."""
        for currency, account in DEBTORS.items():
            debtor = DebtorAccount(account=account)
            await set_debtor_account(
                self._database, self._ring, ACCOUNT, currency, debtor, actor=ANN, request_id=REQUEST, now=_now()
            )
        for recipient, account in RECIPIENTS.items():
            version = await set_recipient_account(
                self._database, self._ring, recipient, account, actor=ANN, request_id=REQUEST, now=_now()
            )
            if recipient == PARTNER_UNCONFIRMED:
                await self._refused("ann confirms the bank account she set", self._confirm(recipient, version, ANN))
            else:
                await self._confirm(recipient, version, BOB)
        self._announce(f"{ANN} stored {len(RECIPIENTS)} bank accounts, {BOB} confirmed {len(RECIPIENTS) - 1} of them")

    async def approve(self) -> None:
        """Approve as Bob what needs one person, and once what needs two."""
        for batch in await self._batches(TENANT, BatchStatus.DRAFT):
            await self._approve(batch, BOB)
        for batch in (await self._batches(TWICE_APPROVED, BatchStatus.DRAFT))[:1]:
            await self._approve(batch, BOB)
            await self._refused("bob approves the same batch a second time", self._approve(batch, BOB))

    async def send(self) -> tuple[SentFile, list[Booking]]:
        """Write a bank file of everything that may be paid, and give it to the bank; returns what the bank booked."""
        unconfirmed = await self._batches(PARTNER_UNCONFIRMED, BatchStatus.APPROVED)
        if unconfirmed:
            await self._refused("cleo pays into the account that nobody confirmed", self._write_file(unconfirmed))
        payable = [batch for one in (TENANT, PARTNER_PAID) for batch in await self._batches(one, BatchStatus.APPROVED)]
        sent, content = await self._write_file(payable)
        bookings = read_payment_file(content)
        self._announce(f"{CLEO} wrote {sent.path.name}; the bank took it")
        return sent, bookings

    async def complete(self, bookings: Sequence[Booking]) -> None:
        """Complete what the bank has paid, each batch with the bank's reference."""
        for booking in bookings:
            await execute_payout(
                self._database,
                ACCOUNT,
                uuid.UUID(booking.end_to_end_id),
                actor=CLEO,
                request_id=REQUEST,
                now=_now(),
                bank_reference=booking.reference,
            )
        self._announce(f"{CLEO} completed {len(bookings)} payout batches, each with the bank's reference")

    async def _batches(self, recipient: Recipient, status: BatchStatus) -> list[BatchRow]:
        """A recipient's batches of a status, the largest first."""
        equal = {
            "recipient_type": recipient.recipient_type,
            "recipient_id": recipient.recipient_id,
            "currency": recipient.currency,
            "status": status,
        }
        found, _ = await find_payouts(self._database, ACCOUNT, equal, limit=MOST_BATCHES, after=None, ascending=True)
        return sorted(found, key=lambda batch: batch.totals.net_minor, reverse=True)

    async def _confirm(self, recipient: Recipient, version: int, actor: str) -> None:
        await confirm_recipient_account(self._database, recipient, version, actor=actor, request_id=REQUEST, now=_now())

    async def _approve(self, batch: BatchRow, actor: str) -> None:
        approved = await approve_payout(self._database, ACCOUNT, batch.id, actor=actor, request_id=REQUEST, now=_now())
        rest = "" if approved.status is BatchStatus.APPROVED else "; it waits for a second person"
        amount = to_decimal_string(batch.totals.net_minor, batch.recipient.currency)
        self._announce(f"{actor} approved {amount} {batch.recipient.currency}, made by {batch.created_by}{rest}")

    async def _write_file(self, batches: Sequence[BatchRow]) -> tuple[SentFile, bytes]:
        made = await export_bank_file(
            self._database,
            self._ring,
            ACCOUNT,
            [batch.id for batch in batches],
            BankFileFormat.PAIN_001,
            execution_date=_now().date(),
            actor=CLEO,
            request_id=REQUEST,
            now=_now(),
        )
        path = write_private(self._directory / made.name, made.content)
        sent = SentFile(
            path=path,
            format=made.row.format,
            transfer_count=made.row.transfer_count,
            totals=dict(made.row.totals),
            digest=made.row.digest.hex(),
        )
        return sent, made.content

    async def _refused(self, attempt: str, step: Awaitable[object]) -> None:
        """Try what must not be possible, and keep why it was refused."""
        try:
            await step
        except OperationNotAllowed as error:
            self.refusals.append(f"{attempt}: {error.message}")
            self._announce(f"refused: {attempt}")


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that nobody but the user may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    return path


def _now() -> datetime:
    return datetime.now(UTC)
