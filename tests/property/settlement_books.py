"""What must hold of settlement's books at any moment, asked of the tables by other queries than the audit's."""

from collections import Counter
from collections.abc import Iterable, Mapping

from domain.facts import Fact
from storage.unit_of_work import Database
from tests.integration.services.books import rows
from tests.property.settlement_stream import Fees, gross_and_fee

_CLAIMS = """
    select entry.id::text, entry.payout_batch_id, array_agg(batch.id) filter (where batch.id is not null)
    from settlement_entries entry left join payout_batch_entries claimed on claimed.entry_id = entry.id
    left join payout_batches batch on batch.id = claimed.payout_batch_id and batch.status <> 'failed'
    group by entry.id
"""
_BATCHES = """
    select batch.id::text, account, recipient_type, recipient_id, currency, status, reserve_held_minor::int,
        reserve_released_minor::int, net_minor::int, gross_minor::int, fee_minor::int, entry_count::int,
        coalesce(sums.gross, 0)::int, coalesce(sums.fee, 0)::int, coalesce(sums.entries, 0)::int
    from payout_batches batch left join (select claimed.payout_batch_id as id, sum(gross_minor) as gross,
        sum(fee_minor) as fee, count(*) as entries from payout_batch_entries claimed
        join settlement_entries entry on entry.id = claimed.entry_id group by 1) sums using (id)
"""
_OWED = """
    select account, recipient_type, recipient_id, currency, sum(net_minor)::int from settlement_entries
    group by 1, 2, 3, 4
"""
_LEDGER = """
    select made.account, ledger_account, posting.currency, sum(amount_minor)::int from ledger_postings posting
    join ledger_transactions made on made.id = posting.transaction_id group by 1, 2, 3
"""
_UNBALANCED = "select transaction_id from ledger_postings group by 1, currency having sum(amount_minor) <> 0"
_PAYMENTS = """
    select payment.id, fee_basis_points::int, fee_fixed_minor::int, fee_min_minor::int, fee_max_minor::int,
        fee_on_refund = 'returned', coalesce(sum(gross_minor), 0)::int, coalesce(sum(fee_minor), 0)::int
    from payments payment left join settlement_entries entry on entry.payment_id = payment.id group by payment.id
"""

Key = tuple[object, object, object]
"""An account, its account in the ledger, and the currency."""


async def check_books(database: Database, told: Mapping[str, Iterable[Fact]]) -> None:
    """Fail unless entries, batches, reserve and ledger say the same, and what the told facts come to."""
    await _check_claims(database)
    expected: Counter[Key] = Counter()
    await _add_batches(database, expected)
    for account, kind, recipient, currency, net in await rows(database, _OWED):
        expected[account, f"recipient:{kind}:{recipient}:payable", currency] -= _int(net)
    ledger = {(account, name, currency): _int(sum_) for account, name, currency, sum_ in await rows(database, _LEDGER)}
    assert {key: ledger.get(key, 0) for key in expected} == dict(expected)
    by_currency: Counter[object] = Counter()
    for (_, _, currency), amount in ledger.items():
        by_currency[currency] += amount
    assert not any(by_currency.values()), by_currency
    assert await rows(database, _UNBALANCED) == []
    await _check_payments(database, told)


async def check_everything_is_paid(database: Database) -> None:
    """Fail unless each entry is in exactly one completed batch, and nobody is owed or holds anything any more."""
    open_ = await rows(
        database,
        "select entry.id from settlement_entries entry left join payout_batches batch"
        " on batch.id = entry.payout_batch_id where batch.status is distinct from 'completed'",
    )
    left = [
        row
        for row in await rows(database, _LEDGER)
        if row[3] and str(row[1]).startswith(("recipient:", "payouts:in_transit"))
    ]
    assert (open_, left) == ([], [])
    paid = Counter(
        {(row[0], row[2]): -_int(row[3]) for row in await rows(database, _LEDGER) if row[1] == "bank:settlement"}
    )
    owed: Counter[tuple[object, object]] = Counter()
    for account, _, _, currency, net in await rows(database, _OWED):
        owed[account, currency] += _int(net)
    assert paid == owed


async def _check_claims(database: Database) -> None:
    wrong = [row for row in await rows(database, _CLAIMS) if (row[2] or []) != ([] if row[1] is None else [row[1]])]
    assert wrong == [], "an entry is in no more than one batch that has not failed, and says in which"


async def _add_batches(database: Database, expected: Counter[Key]) -> None:
    """Check each batch against its entries, and add what it must have posted."""
    for batch in await rows(database, _BATCHES):
        account, kind, recipient, currency, status = batch[1:6]
        held, released, net, gross, fee = (_int(value) for value in batch[6:11])
        assert (gross, fee, batch[11]) == batch[12:15], batch
        assert net == gross - fee - held + released, batch
        assert net > 0, batch
        if status == "failed":
            continue
        payable, reserve = (f"recipient:{kind}:{recipient}:{name}" for name in ("payable", "reserve"))
        expected[account, payable, currency] += held - released
        expected[account, reserve, currency] -= held - released
        if status in {"processing", "completed"}:
            expected[account, payable, currency] += net
            where = "bank:settlement" if status == "completed" else "payouts:in_transit"
            expected[account, where, currency] -= net


async def _check_payments(database: Database, told: Mapping[str, Iterable[Fact]]) -> None:
    for name, basis_points, fixed, least, most, is_returned, gross, fee in await rows(database, _PAYMENTS):
        fees = Fees(
            basis_points=_int(basis_points),
            fixed_minor=_int(fixed),
            min_minor=_int(least),
            max_minor=None if most is None else _int(most),
            is_returned=bool(is_returned),
        )
        assert (gross, fee) == gross_and_fee(told.get(str(name), ()), fees), name


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
