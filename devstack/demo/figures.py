"""The figures of a run, read from the books and the topics once everything has come to rest."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from bootstrap.settings import KafkaSettings
from devstack.demo.expectations import expectations_of
from devstack.demo.payday import Payday
from devstack.demo.plan import Plan
from devstack.demo.topic_reader import read_topic
from services.audit.report import AuditReport
from storage.unit_of_work import Database
from topics.catalog import PAYMENT_EVENTS, RAW_WEBHOOKS
from topics.message import header

_STATUSES = (
    "select status, currency, count(*), sum(captured_minor), sum(refunded_minor) from payments"
    " group by 1, 2 order by 1, 2"
)
_WINDOWS = (
    "select recipient_type || ':' || recipient_id, currency, count(*), sum(entry_count), sum(gross_minor),"
    " sum(fee_minor), sum(net_minor) from settlement_windows group by 1, 2 order by 1, 2"
)
_CARRIED = (
    "select recipient_type || ':' || recipient_id, currency, count(*), sum(net_minor) from settlement_entries"
    " where payout_batch_id is null group by 1, 2 order by 1, 2"
)
_FIRST_CAPTURE = (
    "select distinct on (payment_id) payment_id, raw_partition, raw_offset from inbox"
    " where kind = 'captured' and disposition = 'applied' and raw_offset is not null"
    " order by payment_id, recorded_at, raw_partition, raw_offset"
)
_BOOKS = "select id, status, captured_minor, refunded_minor from payments"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything the summary shows. Amounts in minor units, latencies in milliseconds."""

    payments: Rows
    ledger: Rows
    windows: Rows
    carried: Rows
    callbacks: Mapping[str, int]
    latency_milliseconds: Mapping[str, float]
    differences_from_plan: list[str]
    payday: Payday
    audit: AuditReport
    broker: str
    seconds: float
    driver: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the audit is clean, the books are as planned, and everything that was promised happened."""
        kept = all(one.holds for one in expectations_of(self.payday))
        return self.audit.holds and not self.differences_from_plan and kept


async def read_tables(database: Database) -> dict[str, Rows]:
    """The books by table of the summary."""
    queries = {"payments": _STATUSES, "windows": _WINDOWS, "carried": _CARRIED}
    async with database.transaction() as transaction:
        found = {name: await _rows(transaction.connection, query) for name, query in queries.items()}
        found["ledger"] = [tuple(row) for row in await transaction.ledger.balances()]
    return found


async def compare_with_plan(database: Database, plan: Plan) -> list[str]:
    """Say which payments are not as the plan has them."""
    async with database.transaction() as transaction:
        rows = await _rows(transaction.connection, _BOOKS)
    books = {row[0]: row[1:] for row in rows}
    differences = []
    for payment in plan.payments:
        planned = (payment.status.value, payment.captured_minor, payment.refunded_minor)
        if books.get(payment.payment_id) != planned:
            differences.append(f"{payment.payment_id}: planned {planned}, booked {books.get(payment.payment_id)}")
    strangers = sorted(books.keys() - plan.by_id.keys())
    return differences + [f"{payment_id}: nobody planned this payment" for payment_id in strangers]


async def measure_latency(database: Database, kafka: KafkaSettings) -> dict[str, float]:
    """From the ingress putting a capture's callback on Kafka to the domain event standing on its topic."""
    async with database.transaction() as transaction:
        captures = {
            (row.raw_partition, row.raw_offset): row.payment_id
            for row in await transaction.connection.execute(text(_FIRST_CAPTURE))
        }
    posted = {
        captures[record.position]: record.written_at
        for record in await read_topic(kafka, RAW_WEBHOOKS)
        if record.position in captures
    }
    latencies = [
        (record.written_at - posted[payment_id]).total_seconds() * 1_000
        for record in await read_topic(kafka, PAYMENT_EVENTS)
        if header(record.headers, "ce_type") == "paystream.capture.succeeded"
        and (payment_id := (record.key or b"").decode()) in posted
    ]
    if len(latencies) < 2:  # noqa: PLR2004 - quantiles need two
        return {}
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"count": len(latencies), "p50": cuts[49], "p99": cuts[98], "max": max(latencies)}


async def _rows(connection: Any, query: str) -> Rows:  # noqa: ANN401 - a connection with results of any columns
    return [
        tuple(int(v) if hasattr(v, "to_integral_value") else v for v in row)
        for row in await connection.execute(text(query))
    ]
