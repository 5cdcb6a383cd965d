"""The sides that reconciliation compares: our movements and payouts, gateways' lines and payouts, banks' lines.

Only what is in no match and in no break that a person resolved. Ids say what a thing is: `capture:stripe:ch_1`,
`payout:…`, `gateway-payout:…`, `line:…`.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.matching import Coverage, Item
from domain.statement_lines import LineKind, normal_names

INCOMING = "in"
OUTGOING = "out"

_IS_FREE = "not exists (select from reconciliation_items done where done.account = :account and done.item = {item})"
_COVERED = (
    "with covered as (select source, min(occurred_at) as first_at from statement_lines"
    " where account = :account and side = 'gateway' group by source)"
)
_NAMES = "array(select reference from payment_references known where known.payment_id = {payment} order by reference)"


_CAPTURE_ID = "'capture:' || fact.gateway || ':' || fact.movement_reference"
_LINE_ID = "'line:' || id"
_PAYOUT_ID = "'payout:' || id"
_GROUP_ID = "'gateway-payout:' || source || ':' || payout_reference || ':' || currency"


def _free(item: str) -> str:
    return _IS_FREE.format(item=item)


# Every part of the statements below is a literal of this module.
_CAPTURES = text(
    f"{_COVERED} select fact.gateway, fact.movement_reference as reference, 'captured' as status,"  # noqa: S608
    f" max(fact.amount_minor) as amount_minor, paid.currency, min(fact.occurred_at) as at,"
    f" {_NAMES.format(payment='paid.id')} as names"
    " from inbox fact join payments paid on paid.id = fact.payment_id join covered on covered.source = fact.gateway"
    " where fact.account = :account and fact.kind = 'captured' and fact.disposition = 'applied'"
    " and fact.currency = paid.currency and fact.occurred_at >= covered.first_at - cast(:slack as interval)"
    " and not exists (select from inbox undone where undone.payment_id = paid.id and undone.kind = 'reversed'"
    " and undone.disposition = 'applied')"
    f" and {_free(_CAPTURE_ID)}"
    " group by fact.gateway, fact.movement_reference, paid.id, paid.currency"
)
_MOVED = (
    f"{_COVERED} select moved.gateway, moved.reference, moved.status, moved.amount_minor, moved.currency,"  # noqa: S608
    f" moved.created_at as at, {_NAMES.format(payment='moved.payment_id')} as names"
    " from {table} moved join covered on covered.source = moved.gateway"
    " where moved.account = :account and moved.created_at >= covered.first_at - cast(:slack as interval)"
)
_REFUNDS = text(_MOVED.format(table="refunds"))
_DISPUTES = text(_MOVED.format(table="disputes"))
_DONE = text("select item from reconciliation_items where account = :account and item = any(:items)")
_GATEWAY_LINES = text(
    "select id, source, kind, names, gross_minor, fee_minor, currency, occurred_at from statement_lines"  # noqa: S608
    f" where account = :account and side = 'gateway' and kind <> 'payout' and {_free(_LINE_ID)}"
)
_BANK_LINES = text(
    "select id, source, names, net_minor, currency, occurred_at from statement_lines"  # noqa: S608
    f" where account = :account and side = 'bank' and {_free(_LINE_ID)}"
)
_PAYOUT_LINES = text(
    "select 'line:' || id as id, source, names, -net_minor as amount_minor, currency, occurred_at as at"  # noqa: S608
    f" from statement_lines where account = :account and side = 'gateway' and kind = 'payout'"
    f" and {_free(_LINE_ID)} and {_free(_GROUP_ID)}"
)
_PAYOUT_GROUPS = text(
    # A gateway that tells of no payout as such says with each line which payout it went out with.
    "with paid_out as (select source, payout_reference, currency, sum(net_minor)::bigint as amount_minor,"  # noqa: S608
    " max(coalesce(payout_at, occurred_at)) as at from statement_lines where account = :account"
    " and side = 'gateway' and kind <> 'payout' and payout_reference is not null"
    " group by source, payout_reference, currency having sum(net_minor) <> 0)"
    f" select {_GROUP_ID} as id, source, array[payout_reference] as names, amount_minor, currency, at from paid_out"
    " where not exists (select from statement_lines told where told.account = :account and told.kind = 'payout'"
    " and told.source = paid_out.source and told.payout_reference = paid_out.payout_reference)"
    f" and {_free(_GROUP_ID)}"
)
_PAYOUTS = text(
    "select id, net_minor, currency, executed_at, bank_reference from payout_batches batch"  # noqa: S608
    " where account = :account and status in ('processing', 'completed') and executed_at is not null"
    f" and {_free(_PAYOUT_ID)} and executed_at >= (select min(occurred_at) - cast(:slack as interval)"
    " from statement_lines told where told.account = :account and told.side = 'bank'"
    " and told.currency = batch.currency)"
)
_COVERAGE = text(
    "select source as place, min(occurred_at) as first_at, max(occurred_at) as last_at from statement_lines"
    " where account = :account and side = 'gateway' group by source"
    " union all select currency, min(occurred_at), max(occurred_at) from statement_lines"
    " where account = :account and side = 'bank' group by currency"
)
_TAKEN = text("select distinct kind, name from reconciliation_items where account = :account and name = any(:names)")

_MOVED_AS: dict[tuple[str, str], tuple[tuple[LineKind, int, bool], ...]] = {
    ("refund", "succeeded"): ((LineKind.REFUND, -1, False),),
    ("refund", "pending"): ((LineKind.REFUND, -1, True),),
    ("refund", "failed"): ((LineKind.REFUND, -1, True), (LineKind.REFUND_FAILED, 1, True)),
    ("dispute", "lost"): ((LineKind.DISPUTE, -1, False),),
    ("dispute", "opened"): ((LineKind.DISPUTE, -1, True),),
    ("dispute", "won"): ((LineKind.DISPUTE, -1, True), (LineKind.DISPUTE_WON, 1, True)),
}
"""What a report tells of a refund or a dispute in a status: kind, sign, and whether it need not tell it at all."""


class ReconciliationSides:
    """Reads both sides of every comparison."""

    def __init__(self, connection: AsyncConnection, account: str, slack_days: int) -> None:
        self._connection = connection
        self._values = {"account": account, "slack": timedelta(days=slack_days)}

    async def movements(self) -> list[Item]:
        """Our captures, refunds and disputes at gateways that have told of any."""
        captures = [_movement(row, LineKind.CAPTURE, 1, is_optional=False) for row in await self._read(_CAPTURES)]
        moved = [
            _movement(row, kind, sign, is_optional=is_optional)
            for what, statement in (("refund", _REFUNDS), ("dispute", _DISPUTES))
            for row in await self._read(statement)
            for kind, sign, is_optional in _MOVED_AS.get((what, row.status), ())
        ]
        values = {**self._values, "items": [item.id for item in moved]}
        done = set((await self._connection.execute(_DONE, values)).scalars())
        return [*captures, *(item for item in moved if item.id not in done)]

    async def gateway_lines(self) -> list[Item]:
        """What gateways tell of captures, refunds, disputes, and anything else but payouts."""
        return [
            Item(
                id=f"line:{row.id}",
                kind=f"{row.source}:{row.kind}",
                names=tuple(row.names),
                amount_minor=row.gross_minor,
                currency=row.currency,
                at=row.occurred_at,
                place=row.source,
                gateway=row.source,
                fee_minor=row.fee_minor,
            )
            for row in await self._read(_GATEWAY_LINES)
        ]

    async def gateway_payouts(self) -> list[Item]:
        """What gateways say they paid to our bank, or took from it. `place` is the currency: banks' lines tell."""
        rows = [*await self._read(_PAYOUT_LINES), *await self._read(_PAYOUT_GROUPS)]
        return [
            _at_bank(row.id, row.amount_minor, row.currency, row.at, normal_names(row.names), row.source)
            for row in rows
        ]

    async def payouts(self) -> list[Item]:
        """Our payouts that were executed, as the bank should tell them."""
        return [
            _at_bank(
                f"payout:{row.id}",
                -row.net_minor,
                row.currency,
                row.executed_at,
                # As files of ISO 20022, and as ACH files, name it; and as whoever completed it says that the bank does.
                normal_names([row.id.hex, row.id.hex[:15], row.bank_reference]),
            )
            for row in await self._read(_PAYOUTS)
        ]

    async def bank_lines(self) -> list[Item]:
        """What banks tell."""
        return [
            _at_bank(f"line:{row.id}", row.net_minor, row.currency, row.occurred_at, tuple(row.names))
            for row in await self._read(_BANK_LINES)
            if row.net_minor
        ]

    async def coverage(self) -> Coverage:
        """Which times the statements tell of: per gateway, and per currency at banks."""
        return {row.place: (row.first_at, row.last_at) for row in await self._read(_COVERAGE)}

    async def taken(self, items: Collection[Item]) -> set[tuple[str, str]]:
        """Of the first names of these, those (kind, name) that something settled bears."""
        values = {**self._values, "names": sorted({item.names[0] for item in items if item.names})}
        return {(row.kind, row.name) for row in await self._connection.execute(_TAKEN, values)}

    async def _read(self, statement: TextClause) -> list[Row[Any]]:
        return list(await self._connection.execute(statement, self._values))


def _movement(row: Row[Any], kind: LineKind, sign: int, *, is_optional: bool) -> Item:
    return Item(
        id=f"{kind}:{row.gateway}:{row.reference}",
        kind=f"{row.gateway}:{kind}",
        names=normal_names([row.reference, *row.names]),
        amount_minor=sign * row.amount_minor,
        currency=row.currency,
        at=row.at,
        place=row.gateway,
        gateway=row.gateway,
        is_optional=is_optional,
    )


def _at_bank(
    item_id: str,
    amount_minor: int,
    currency: str,
    at: datetime,
    names: tuple[str, ...],
    gateway: str | None = None,
) -> Item:
    return Item(
        id=item_id,
        kind=INCOMING if amount_minor > 0 else OUTGOING,
        names=names,
        amount_minor=amount_minor,
        currency=currency,
        at=at,
        place=currency,
        gateway=gateway,
    )
