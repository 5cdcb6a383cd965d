"""The unit of work: one PostgreSQL transaction with the repositories that write in it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from copy import copy
from functools import cached_property

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.errors import InvariantViolated
from storage.accounts import Accounts
from storage.api_answers import ApiAnswers
from storage.api_keys import ApiKeys
from storage.audit_log import AuditLog
from storage.cases import Cases
from storage.commands import Commands
from storage.inbox import Inbox
from storage.json_columns import read_json
from storage.ledger import Ledger
from storage.manual_payments import ManualPayments
from storage.movements import Movements
from storage.orphans import Orphans
from storage.outbox import Outbox
from storage.payment_options import PaymentOptions
from storage.payments import Payments
from storage.payout_making import PayoutMaking
from storage.payouts import Payouts
from storage.reconciliation import Reconciliation
from storage.reserves import Reserves
from storage.settlement import Settlement
from storage.settlement_rules import SettlementRuleBook
from storage.timeline import TimelineQueries
from storage.transitions import Transitions
from storage.vault import Vault


class Transaction:
    """An open transaction. It commits when its block ends and rolls back when the block raises."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts and their sealed credentials."""
        return Accounts(self.connection)

    @cached_property
    def api_answers(self) -> ApiAnswers:
        """What the HTTP API answered."""
        return ApiAnswers(self.connection)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Keys of the HTTP API."""
        return ApiKeys(self.connection)

    @cached_property
    def audit_log(self) -> AuditLog:
        """Who changed what; the database writes it."""
        return AuditLog(self.connection)

    @cached_property
    def cases(self) -> Cases:
        """What a person has to look at."""
        return Cases(self.connection)

    @cached_property
    def commands(self) -> Commands:
        """Commands and their results."""
        return Commands(self.connection)

    @cached_property
    def inbox(self) -> Inbox:
        """Facts, each exactly once."""
        return Inbox(self.connection)

    @cached_property
    def ledger(self) -> Ledger:
        """Double entry."""
        return Ledger(self.connection)

    @cached_property
    def manual_payments(self) -> ManualPayments:
        """Payments that people make and people approve, and the invoices they are for."""
        return ManualPayments(self.connection)

    @cached_property
    def movements(self) -> Movements:
        """Refunds, disputes and domain events as rows of their own."""
        return Movements(self.connection)

    @cached_property
    def vault(self) -> Vault:
        """Mandates, saved payment methods and payment links: tokens only."""
        return Vault(self.connection)

    @cached_property
    def orphans(self) -> Orphans:
        """Searches for payments that facts wait for."""
        return Orphans(self.connection)

    @cached_property
    def outbox(self) -> Outbox:
        """Messages to publish once this transaction has committed."""
        return Outbox(self.connection)

    @cached_property
    def payments(self) -> Payments:
        """Payments and their gateways' names for them."""
        return Payments(self.connection)

    @cached_property
    def payment_options(self) -> PaymentOptions:
        """What accounts offer to their payers."""
        return PaymentOptions(self.connection)

    @cached_property
    def payout_making(self) -> PayoutMaking:
        """How payout batches are made."""
        return PayoutMaking(self.connection)

    @cached_property
    def payouts(self) -> Payouts:
        """Payout batches in people's hands."""
        return Payouts(self.connection)

    @cached_property
    def reconciliation(self) -> Reconciliation:
        """When payments are read back."""
        return Reconciliation(self.connection)

    @cached_property
    def reserves(self) -> Reserves:
        """What payout batches hold back."""
        return Reserves(self.connection)

    @cached_property
    def settlement(self) -> Settlement:
        """Entries and the windows they are counted in."""
        return Settlement(self.connection)

    @cached_property
    def settlement_rules(self) -> SettlementRuleBook:
        """Schedules, fees, reserves and thresholds of accounts."""
        return SettlementRuleBook(self.connection)

    @cached_property
    def timeline(self) -> TimelineQueries:
        """Everything that is recorded of one payment."""
        return TimelineQueries(self.connection)

    @cached_property
    def transitions(self) -> Transitions:
        """Changes of status."""
        return Transitions(self.connection)


_SET_ACTOR = text(
    "select set_config('paystream.actor', :actor, true), set_config('paystream.request_id', :request_id, true)"
)
_SET_TENANT = text("select set_config('paystream.accounts', :accounts, true), set_config('role', :role, true)")
TENANT_ROLE = "paystream_tenant"
_SESSION = {
    "jit": "off",
    # A process that froze inside a transaction would keep its locks, and everybody would wait for it.
    "idle_in_transaction_session_timeout": "60s",
    # The statement of a process that died would run on for nobody, with its locks.
    "client_connection_check_interval": "10s",
}


class Database:
    """A pool of connections to one PostgreSQL. With a `schema` it knows the tables of that one and of no other."""

    def __init__(
        self, url: str | URL, *, pool_size: int = 5, application_name: str = "paystream", schema: str | None = None
    ) -> None:
        self._name = f"process:{application_name}"
        # Whoever writes without saying who it is, is this process to the audit log.
        server_settings = {"application_name": application_name, "paystream.actor": self._name, **_SESSION}
        if schema is not None:
            server_settings["search_path"] = schema
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            hide_parameters=True,
            json_deserializer=read_json,
            connect_args={"server_settings": server_settings},
        )
        self._accounts: str | None = None

    def scoped(self, accounts: Collection[str]) -> "Database":
        """The same pool, seeing and writing only rows of these accounts: PostgreSQL itself refuses the others.

        What this returns belongs to the database it was made from, which alone is to be closed.
        """
        if not accounts or any("," in account or not account for account in accounts):
            raise InvariantViolated("a scope names at least one account")
        scoped = copy(self)
        scoped.__dict__["_accounts"] = ",".join(sorted(accounts))
        return scoped

    @asynccontextmanager
    async def transaction(self, actor: str | None = None, request_id: str = "") -> AsyncIterator[Transaction]:
        """Open a transaction; READ COMMITTED, with row locks where rows are changed.

        `actor` and `request_id` are what the audit log says of its writes; without them it names the process.
        """
        async with self.engine.begin() as connection:
            if actor or request_id:
                await connection.execute(_SET_ACTOR, {"actor": actor or self._name, "request_id": request_id})
            await self._enter_scope(connection)
            yield Transaction(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        """Open a read-only transaction in which nothing changes while it is read."""
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                # It holds no row back from anybody, and whoever compares it with a topic may read that for minutes.
                await connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
                await self._enter_scope(connection)
                yield Transaction(connection)

    async def _enter_scope(self, connection: AsyncConnection) -> None:
        if self._accounts is not None:
            await connection.execute(_SET_TENANT, {"accounts": self._accounts, "role": TENANT_ROLE})

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()
