"""The ground a side of the benchmark runs on: a database and topics of its own, the same for every side and repeat."""

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import text

from bench.workload import ACCOUNT, CURRENCY, GATEWAY, BenchPayment, Workload
from bootstrap.settings import DatabaseSettings, KafkaSettings, Settings
from bootstrap.wiring import build_key_ring
from devstack.application import new_key_ring, read_settings
from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack
from domain.payment import Status
from services.accounts import create_account, set_credentials
from storage.accounts import Account
from storage.bulk import BulkInsert
from storage.migrate import migrate
from storage.unit_of_work import Database
from topics.admin import create_topics
from topics.catalog import TOPICS

FEE_BASIS_POINTS = 290
FEE_FIXED_MINOR = 30
ROWS_AT_ONCE = 5_000

_PAYMENTS = BulkInsert(
    "payments",
    {
        "id": "text",
        "account": "text",
        "gateway": "text",
        "provider_reference": "text",
        "resource_type": "text",
        "resource_id": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "splits": "text > jsonb",
        "fee_basis_points": "integer",
        "fee_fixed_minor": "bigint",
        "status": "text",
        "event_sequence": "integer",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    },
)


class Ground:
    """Makes databases with the workload's payments in them, by copying one that was filled once."""

    def __init__(self, stack: Stack, webhook_secret: str) -> None:
        self.stack = stack
        self._webhook_secret = webhook_secret
        self._settings = read_settings(stack.environment() | new_key_ring())
        self._template = f"bench_{secrets.token_hex(4)}"

    async def prepare(self, workload: Workload) -> None:
        """Fill the database that all others are copied from."""
        await self.prepare_with(workload.payments, workload.callbacks[0].received_at)

    async def prepare_with(self, payments: Sequence[BenchPayment], created_at: datetime) -> None:
        """The same with these payments, none of them if there are none."""
        await create_database_async(self.stack.database_url, self._template)
        url = database_url(self.stack.database_url, self._template)
        await migrate(url)
        database = Database(url)
        try:
            await self._open_account(database)
            await add_payments(database, payments, created_at)
            await _settle_statistics(database)
        finally:
            await database.close()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Settings]:
        """Yield the settings of a new database and new topics; the database is gone afterwards."""
        name, prefix = f"bench_{secrets.token_hex(4)}", f"bench-{secrets.token_hex(3)}."
        await create_database_async(self.stack.database_url, name, template=self._template)
        kafka = KafkaSettings(**self._settings.kafka.model_dump() | {"topic_prefix": prefix})
        url = SecretStr(database_url(self.stack.database_url, name))
        settings = self._settings.model_copy(update={"kafka": kafka, "database": DatabaseSettings(url=url)})
        try:
            await create_topics(kafka.bootstrap_servers, TOPICS, prefix=prefix)
            yield settings
        finally:
            await drop_database_async(self.stack.database_url, name)

    async def _open_account(self, database: Database) -> None:
        await create_account(database, Account(ACCOUNT, ACCOUNT, FEE_BASIS_POINTS, FEE_FIXED_MINOR))
        credentials = {
            "secret_key": "sk_test_bench",
            "publishable_key": "pk_test_bench",
            "webhook_secret": self._webhook_secret,
        }
        await set_credentials(database, build_key_ring(self._settings.keys), ACCOUNT, GATEWAY, credentials)


async def add_payments(database: Database, payments: Sequence[BenchPayment], created_at: datetime) -> None:
    """Write pending payments with a name at the gateway. No event tells of them, so none is counted."""
    for start in range(0, len(payments), ROWS_AT_ONCE):
        some = payments[start : start + ROWS_AT_ONCE]
        async with database.transaction() as transaction:
            await _PAYMENTS.execute(transaction.connection, [_row(payment, created_at) for payment in some])
            await transaction.payments.add_references(
                ((GATEWAY, ACCOUNT, payment.intent), payment.id) for payment in some
            )


def _row(payment: BenchPayment, created_at: datetime) -> tuple[object, ...]:
    splits = [[split.recipient_type, split.recipient_id, split.weight] for split in payment.splits]
    return (
        payment.id,
        ACCOUNT,
        GATEWAY,
        payment.intent,
        "order",
        f"order-{payment.number}",
        payment.amount_minor,
        CURRENCY,
        json.dumps(splits),
        FEE_BASIS_POINTS,
        FEE_FIXED_MINOR,
        Status.PENDING.value,
        0,
        created_at,
        created_at,
    )


async def _settle_statistics(database: Database) -> None:
    """Give the planner what autovacuum would have given it by the time a payment's callbacks come."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("vacuum analyze payments, payment_references"))
