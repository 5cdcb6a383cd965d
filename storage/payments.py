"""Payments: creation, resolution by the gateway's names, locking, and writing back what the fold derived."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Row, Text, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import FactKind
from domain.fees import FeeOnRefund
from domain.payment import PaymentState, PaymentTerms, Split, Status, Step
from storage.bulk import BulkInsert, BulkRows
from storage.json_columns import write_json
from storage.tables import PAYMENTS

Reference = tuple[str, str, str]
"""(gateway, account, the gateway's name of a payment)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRecord:
    """A payment as stored: its terms, its state, and what describes it.

    `authorization_reference` is not stored with it: it is read from the inbox for the operations that need it.
    """

    terms: PaymentTerms
    state: PaymentState
    status: Status
    resource_type: str
    resource_id: str
    created_at: datetime
    provider_reference: str | None = None
    authorization_reference: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    description: str | None = None
    manual_capture: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    event_sequence: int = 0
    sync_attempts: int = 0
    changed_by: str = "unknown"
    request_id: str | None = None
    updated_at: datetime | None = None

    @property
    def id(self) -> str:
        """The payment's id."""
        return self.terms.payment_id


_INSERT = text(
    "insert into payments (id, account, gateway, provider_reference, resource_type, resource_id, user_id, user_name,"
    " description, amount_minor, currency, manual_capture, splits, fee_basis_points, fee_fixed_minor, fee_min_minor,"
    " fee_max_minor, fee_on_refund, metadata, status,"
    " awaiting_approval, event_sequence, changed_by, request_id, created_at, updated_at)"
    " values (:id, :account, :gateway, :provider_reference, :resource_type,"
    " :resource_id, :user_id, :user_name, :description, :amount_minor, :currency, :manual_capture,"
    " cast(:splits as jsonb), :fee_basis_points, :fee_fixed_minor, :fee_min_minor, :fee_max_minor, :fee_on_refund,"
    " cast(:metadata as jsonb), :status,"
    " :awaiting_approval, :event_sequence, :changed_by, :request_id, :created_at, :created_at)"
    " on conflict (id) do nothing returning id"
)
_RESOLVE = text(
    "select wanted.gateway, wanted.account, wanted.reference, found.payment_id"
    " from unnest(cast(:gateways as text[]), cast(:accounts as text[]), cast(:references as text[]))"
    " as wanted (gateway, account, reference)"
    " join payment_references found using (gateway, account, reference)"
)
_LOCK_REFERENCES = text(
    "select pg_advisory_xact_lock(hashtextextended(wanted.name, 7209)) from"
    " (select name from unnest(cast(:names as text[])) as listed (name) order by name) as wanted"
)
_ADD_REFERENCES = BulkInsert(
    "payment_references",
    {"gateway": "text", "account": "text", "reference": "text", "payment_id": "text"},
    "on conflict do nothing",
)
_SET_PROVIDER_REFERENCE = text(
    "update payments set provider_reference = :reference where id = :id and provider_reference is null"
)
_CHANGED = {
    "id": "text",
    "status": "text",
    "steps": "text",
    "authorized_minor": "bigint",
    "captured_minor": "bigint",
    "refunded_minor": "bigint",
    "refund_pending_minor": "bigint",
    "disputed_minor": "bigint",
    "paid_at": "timestamptz",
    "refunded_at": "timestamptz",
    "failed_at": "timestamptz",
    "failure_reason": "text",
    "receipt_url": "text",
    "event_sequence": "integer",
    "changed_by": "text",
    "request_id": "text",
}
_CHANGED_ROWS = BulkRows(_CHANGED, "new")
_UPDATE = text(
    "update payments set status = new.status, steps = new.steps::jsonb, authorized_minor = new.authorized_minor,"  # noqa: S608
    " captured_minor = new.captured_minor, refunded_minor = new.refunded_minor,"
    " refund_pending_minor = new.refund_pending_minor, disputed_minor = new.disputed_minor,"
    " paid_at = new.paid_at, refunded_at = new.refunded_at, failed_at = new.failed_at,"
    " failure_reason = new.failure_reason, receipt_url = new.receipt_url, event_sequence = new.event_sequence,"
    " changed_by = new.changed_by, request_id = new.request_id, updated_at = :now, quiet_since = null"
    f" from {_CHANGED_ROWS.source} where payments.id = new.id"
)
_LOCK = (
    select(PAYMENTS)
    .where(PAYMENTS.c.id == func.any(bindparam("ids", type_=ARRAY(Text))))
    .order_by(PAYMENTS.c.id)
    .with_for_update()
)
_DESCRIBE = text(
    "update payments set description = :description, user_name = :user_name, metadata = cast(:metadata as jsonb),"
    " updated_at = :now where id = :id"
)
_PLAN_SYNC = text("update payments set sync_due_at = :due_at, sync_attempts = :attempts where id = :id")
_PAID_FOR = text(
    "select coalesce(sum(captured_minor - refunded_minor) filter (where status <> 'reversed'), 0)::bigint"
    " from payments where account = :account"
    " and resource_type = :resource_type and resource_id = :resource_id"
)


class Payments:
    """Reads and writes payments."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(self, payment: PaymentRecord) -> bool:
        """Insert a new payment; False when its id is taken."""
        terms = payment.terms
        values = {
            "id": terms.payment_id,
            "account": terms.account,
            "gateway": terms.gateway,
            "provider_reference": payment.provider_reference,
            "resource_type": payment.resource_type,
            "resource_id": payment.resource_id,
            "user_id": payment.user_id,
            "user_name": payment.user_name,
            "description": payment.description,
            "amount_minor": terms.amount_minor,
            "currency": terms.currency,
            "manual_capture": payment.manual_capture,
            "splits": write_json([[s.recipient_type, s.recipient_id, s.weight] for s in terms.splits]),
            "fee_basis_points": terms.fee_basis_points,
            "fee_fixed_minor": terms.fee_fixed_minor,
            "fee_min_minor": terms.fee_min_minor,
            "fee_max_minor": terms.fee_max_minor,
            "fee_on_refund": terms.fee_on_refund,
            "metadata": write_json(payment.metadata),
            "status": payment.status,
            "awaiting_approval": payment.state.awaiting_approval,
            "event_sequence": payment.event_sequence,
            "changed_by": payment.changed_by,
            "request_id": payment.request_id,
            "created_at": payment.created_at,
        }
        return (await self._connection.execute(_INSERT, values)).first() is not None

    async def resolve(self, references: Collection[Reference]) -> dict[Reference, str]:
        """Map the gateways' names of payments to payment ids; names nobody knows are absent."""
        if not references:
            return {}
        gateways, accounts, names = map(list, zip(*references, strict=True))
        rows = await self._connection.execute(
            _RESOLVE, {"gateways": gateways, "accounts": accounts, "references": names}
        )
        return {(row.gateway, row.account, row.reference): row.payment_id for row in rows}

    async def lock_references(self, references: Iterable[Reference]) -> None:
        """Serialize with whoever gives these names to a payment or looks for them, until the transaction ends."""
        names = sorted({":".join(reference) for reference in references})
        if names:
            await self._connection.execute(_LOCK_REFERENCES, {"names": names})

    async def add_references(self, rows: Iterable[tuple[Reference, str]]) -> None:
        """Remember that these names mean these payments; a name that has a meaning keeps it."""
        await _ADD_REFERENCES.execute(
            self._connection, sorted({(*reference, payment_id) for reference, payment_id in rows})
        )

    async def set_provider_reference(self, payment_id: str, reference: str) -> None:
        """Give a payment its main name at the gateway, once."""
        await self._connection.execute(_SET_PROVIDER_REFERENCE, {"id": payment_id, "reference": reference})

    async def lock(self, payment_ids: Collection[str]) -> dict[str, PaymentRecord]:
        """Lock payments for update, in the order of their ids so that transactions cannot deadlock."""
        if not payment_ids:
            return {}
        rows = await self._connection.execute(_LOCK, {"ids": sorted(payment_ids)})
        return {row.id: record_of(row) for row in rows}

    async def paid_for(self, account: str, resource_type: str, resource_id: str) -> int:
        """What an account's payments for a resource have brought and kept, in minor units."""
        values = {"account": account, "resource_type": resource_type, "resource_id": resource_id}
        return int((await self._connection.execute(_PAID_FOR, values)).scalar_one())

    async def get(self, payment_id: str) -> PaymentRecord | None:
        """Read one payment without locking it."""
        row = (await self._connection.execute(select(PAYMENTS).where(PAYMENTS.c.id == payment_id))).first()
        return None if row is None else record_of(row)

    async def save(self, payments: Sequence[PaymentRecord], now: datetime) -> None:
        """Write back status, steps and sums of locked payments."""
        if not payments:
            return
        rows = _CHANGED_ROWS.parameter([_changed(payment) for payment in payments])
        await self._connection.execute(_UPDATE, {"rows": rows, "now": now})

    async def describe(
        self,
        payment_id: str,
        *,
        description: str | None,
        user_name: str | None,
        metadata: dict[str, str],
        now: datetime,
    ) -> None:
        """Change what describes a payment."""
        values = {"id": payment_id, "description": description, "user_name": user_name, "now": now}
        await self._connection.execute(_DESCRIBE, values | {"metadata": write_json(metadata)})

    async def plan_sync(self, payment_id: str, due_at: datetime | None, attempts: int = 0) -> None:
        """Say when the payment should next be read back from its gateway; None means not at all."""
        await self._connection.execute(_PLAN_SYNC, {"id": payment_id, "due_at": due_at, "attempts": attempts})


def _changed(payment: PaymentRecord) -> tuple[Any, ...]:
    sums = payment.state.totals
    failed_at, failure_reason = payment.state.failure or (None, None)
    return (
        payment.id,
        payment.status,
        write_json(sorted(payment.state.steps, key=str)),
        sums.authorized,
        sums.captured,
        sums.refunded,
        sums.refund_pending,
        sums.dispute_open + sums.dispute_lost,
        payment.state.paid_at,
        payment.state.refunded_at,
        failed_at,
        failure_reason,
        payment.state.receipt_url,
        payment.event_sequence,
        payment.changed_by,
        payment.request_id,
    )


def terms_of(row: Row[Any]) -> PaymentTerms:
    """Read the terms in a row of the table `payments`."""
    return PaymentTerms(
        payment_id=row.id,
        account=row.account,
        gateway=row.gateway,
        amount_minor=row.amount_minor,
        currency=row.currency,
        splits=tuple(Split(*split) for split in row.splits),
        fee_basis_points=row.fee_basis_points,
        fee_fixed_minor=row.fee_fixed_minor,
        fee_min_minor=row.fee_min_minor,
        fee_max_minor=row.fee_max_minor,
        fee_on_refund=FeeOnRefund(row.fee_on_refund),
    )


def record_of(row: Row[Any]) -> PaymentRecord:
    """Read a row of the table `payments`."""
    return PaymentRecord(
        terms=terms_of(row),
        state=PaymentState(
            steps=frozenset(Step(FactKind(kind), reference, amount) for kind, reference, amount in row.steps),
            awaiting_approval=row.awaiting_approval,
            paid_at=row.paid_at,
            refunded_at=row.refunded_at,
            receipt_url=row.receipt_url,
            failure=None if row.failed_at is None else (row.failed_at, row.failure_reason),
        ),
        status=Status(row.status),
        resource_type=row.resource_type,
        resource_id=row.resource_id,
        created_at=row.created_at,
        provider_reference=row.provider_reference,
        user_id=row.user_id,
        user_name=row.user_name,
        description=row.description,
        manual_capture=row.manual_capture,
        metadata=row.metadata,
        event_sequence=row.event_sequence,
        sync_attempts=row.sync_attempts,
        updated_at=row.updated_at,
    )
