"""Statements end to end: imported once, matched three ways, breaks found and resolved, and books that agree."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from domain.errors import InvalidInput, MalformedPayload, NotFound, OperationNotAllowed
from domain.facts import FactKind
from domain.matching import BreakKind, ExpectedFee
from domain.statement_lines import Side
from services.apply_events import apply_events
from services.payouts import execute_payout
from services.statement_matching.breaks import find_breaks, get_break, resolve_break
from services.statement_matching.importing import WITHHELD, ImportedStatement, ReportFormat, import_statement
from services.statement_matching.matching import MatchingReport, MatchingRules, match_statements
from storage.reconciliation_results import BreakRow
from storage.unit_of_work import Database
from tests.integration.services.banking import AFTER, NET, balances, capture, make_batch
from tests.integration.services.books import NOW, fact, open_account, received, rows

STRIPE_HEADER = (
    "balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id,description,"
    "automatic_payout_id,charge_id,payment_intent_id"
)
BANK_MAPPING = {"occurred_at": "date", "currency": "USD", "amount": "amount", "texts": ["text"], "names": ["e2e"]}
LATER = NOW + timedelta(days=20)


def charge(
    number: int, amount: str = "10.00", fee: str = "0.50", *, name: str | None = None, payout: str = "po_100001"
) -> str:
    net = f"{float(amount) - float(fee):.2f}"
    line = name or f"txn_{number}"
    return f"{line},2026-01-02 03:04:05,usd,{amount},{fee},{net},charge,ch_{number},,{payout},ch_{number},pi_{number}"


def payout(amount: str, reference: str = "po_100001", day: str = "2026-01-05") -> str:
    return f"txn_{reference},{day} 00:00:00,usd,-{amount},0.00,-{amount},payout,{reference},,,,"


def late(number: int) -> str:
    """A line that shows the report to cover many days."""
    return f"txn_late_{number},2026-01-30 00:00:00,usd,0.00,0.00,0.00,other_adjustment,adj_{number},,,,"


async def bring(
    database: Database,
    content: str,
    side: Side = Side.GATEWAY,
    report_format: ReportFormat = ReportFormat.STRIPE,
    *,
    account: str = "demo",
    mapping: Mapping[str, object] | None = None,
) -> ImportedStatement:
    return await import_statement(
        database,
        account,
        side,
        "stripe" if side is Side.GATEWAY else "main",
        report_format,
        content.encode(),
        file_name="statement.csv",
        mapping=mapping,
        actor="ann",
        request_id="r",
        now=NOW,
    )


async def bring_stripe(database: Database, *lines: str) -> ImportedStatement:
    return await bring(database, "\n".join((STRIPE_HEADER, *lines)) + "\n")


async def bring_bank(database: Database, *lines: str) -> ImportedStatement:
    content = "\n".join(("date,amount,text,e2e", *lines)) + "\n"
    return await bring(database, content, Side.BANK, ReportFormat.CSV, mapping=BANK_MAPPING)


async def match(database: Database, rules: MatchingRules | None = None, *, now: datetime = LATER) -> MatchingReport:
    return await match_statements(database, "demo", rules or MatchingRules(), now=now)


async def open_breaks(database: Database) -> list[BreakRow]:
    return (await find_breaks(database, "demo", limit=100))[0]


async def resolve(database: Database, found: BreakRow, counter_account: str | None = None) -> BreakRow:
    return await resolve_break(
        database,
        "demo",
        found.id,
        reason="asked the gateway",
        counter_account=counter_account,
        actor="ann",
        request_id="r",
        now=LATER,
    )


@pytest.fixture
async def shop(database: Database) -> Database:
    """An account with three captured payments of 10.00 USD."""
    await open_account(database)
    for number in (1, 2, 3):
        await capture(database, number)
    return database


async def test_three_ways_match_and_leave_nothing_open(shop: Database) -> None:
    batch_id = await make_batch(shop, 1)
    await execute_payout(shop, "demo", batch_id, actor="cfo", request_id="r", now=AFTER, bank_reference="bank-9")
    await bring_stripe(shop, charge(1), charge(2), charge(3), payout("28.50"))
    await bring_bank(
        shop,
        "2026-01-06,28.50,STRIPE PAYOUT po_100001,",
        f"2026-01-03,-9.41,Payout,{batch_id.hex}",
        "2026-01-20,1.00,x,",
    )
    report = await match(shop)

    assert (report.matched, report.waiting) == (5, 0)
    assert report.breaks == {BreakKind.MISSING_HERE: 1}
    assert await balances(shop) == {
        "fees:gateway": 150,
        "fees:revenue": -177,
        "bank:settlement": 2_850 - NET,
        "recipient:tenant:demo:payable": -(3 * NET - NET),
    }
    stages = await rows(shop, "select stage, count(*)::int from reconciliation_matches group by 1 order by 1")
    assert stages == [("gateway_payout", 1), ("movement", 3), ("payout", 1)]


async def test_matching_again_changes_nothing(shop: Database) -> None:
    await bring_stripe(shop, charge(1), charge(2, "9.00"), payout("28.50"))
    first = await match(shop)
    before = (await balances(shop), await rows(shop, "select * from reconciliation_items order by item"))
    again = await match(shop, now=LATER + timedelta(days=1))
    assert (first.matched, first.opened) == (1, 1)
    assert (again.matched, again.opened, again.closed) == (0, 0, 0)
    assert again.breaks == first.breaks == {BreakKind.AMOUNT: 1}
    assert (await balances(shop), await rows(shop, "select * from reconciliation_items order by item")) == before


async def test_every_kind_of_break_is_found_and_said_in_words(shop: Database) -> None:
    await capture(shop, 4)
    await capture(shop, 5)
    await bring_stripe(
        shop,
        charge(1, "9.00"),
        charge(2, fee="0.70"),
        charge(3),
        charge(3, name="txn_again"),
        charge(4).replace("usd", "eur"),
        charge(77),
        late(1),
    )
    report = await match(shop, MatchingRules(fees={"stripe": ExpectedFee(basis_points=200, fixed_minor=30)}))
    assert report.breaks == dict.fromkeys(BreakKind, 1) | {BreakKind.MISSING_HERE: 2}
    said = {found.detail for found in await open_breaks(shop)}
    assert {
        "the books have 10.00 USD (capture:stripe:ch_1), stripe tells of 9.00 USD",
        "stripe tells of 10.00 USD (capture:stripe:ch_2), and kept another fee than agreed: 0.70 USD",
        "stripe tells of 10.00 USD (ch3), once more",
        "the books have 10.00 USD (capture:stripe:ch_4), stripe tells of 10.00 EUR",
        "the books have 10.00 USD (capture:stripe:ch_5), and stripe does not tell of it",
        "stripe tells of 10.00 USD (ch77), and the books do not know it",
    } <= said


async def test_a_break_that_a_later_report_explains_closes_itself_and_may_open_again(shop: Database) -> None:
    await bring_stripe(shop, charge(1), charge(2), late(1))
    assert (await match(shop)).breaks == {BreakKind.MISSING_THERE: 1, BreakKind.MISSING_HERE: 1}
    await bring_stripe(shop, charge(3), late(1))
    report = await match(shop)
    assert (report.matched, report.closed) == (1, 1)
    closed = await rows(shop, "select resolved_by, resolution from reconciliation_breaks where resolved_at is not null")
    assert closed == [("agent:statement-matching", "the statements agree with the books now")]


async def test_what_is_not_told_of_yet_waits(shop: Database) -> None:
    await bring_stripe(shop, charge(1))
    report = await match(shop)
    # Two captures for their reports, and the payout of the first for a statement of the bank.
    assert (report.matched, report.waiting, report.breaks) == (1, 3, {})


async def test_a_resolution_posts_what_makes_the_books_agree(shop: Database) -> None:
    await bring_stripe(shop, charge(1, "9.00"), charge(2), charge(3))
    await match(shop)
    (found,) = await open_breaks(shop)
    resolved = await resolve(shop, found, "losses:reconciliation")
    assert (resolved.resolved_by, resolved.resolution) == ("ann", "asked the gateway")
    held = await balances(shop)
    assert (held["losses:reconciliation"], held["fees:gateway"]) == (100, 150)
    assert held["gateway:stripe:receivable"] == 3_000 - 100 - 150
    causes = await rows(shop, "select cause, reference from ledger_transactions where cause like 'reconciliation%'")
    assert causes == [("reconciliation_adjustment", str(found.id))]
    audited = await rows(
        shop,
        "select actor, after ->> 'resolution' from audit_log where subject_type = 'reconciliation_break'"
        " and action = 'update'",
    )
    assert audited == [("ann", "asked the gateway")]
    assert (await match(shop)).breaks == {}
    with pytest.raises(OperationNotAllowed):
        await resolve(shop, found)


async def test_what_cannot_be_resolved_so_is_refused(shop: Database) -> None:
    await bring_stripe(shop, charge(1, "9.00"), charge(2).replace("usd", "eur"))
    await match(shop)
    found = {one.kind: one for one in await open_breaks(shop)}
    with pytest.raises(InvalidInput):
        await resolve(shop, found[BreakKind.AMOUNT], "recipient:tenant:demo:payable")
    with pytest.raises(OperationNotAllowed):
        await resolve(shop, found[BreakKind.CURRENCY], "losses:reconciliation")
    with pytest.raises(InvalidInput):
        await resolve_break(
            shop, "demo", found[BreakKind.AMOUNT].id, reason=" ", actor="ann", request_id="r", now=LATER
        )
    with pytest.raises(NotFound):
        await get_break(shop, "other", found[BreakKind.AMOUNT].id)
    with pytest.raises(NotFound):
        await get_break(shop, "demo", uuid.uuid4())
    assert len(await open_breaks(shop)) == 2


async def test_refunds_and_disputes_are_compared_too(shop: Database) -> None:
    told = (
        (FactKind.REFUNDED, 1, "re_1", 400),
        (FactKind.REFUND_PENDING, 2, "re_2", 300),
        (FactKind.DISPUTE_LOST, 3, "dp_1", 1_000),
    )
    await apply_events(
        shop,
        received(
            *(
                fact(name, kind, provider_reference=f"pi_{number}", movement_reference=name, amount_minor=amount)
                for kind, number, name, amount in told
            )
        ),
        NOW,
    )
    line = "{0},2026-01-02 04:00:00,usd,-{1},{3},-{2},{4},{5},,,,"
    await bring_stripe(
        shop,
        charge(1),
        charge(2),
        charge(3),
        line.format("t1", "4.00", "4.00", "0.00", "refund", "re_1"),
        line.format("t3", "10.00", "25.00", "15.00", "dispute", "dp_1"),
        late(1),
    )
    report = await match(shop)
    # The pending refund, and the payout for a statement of the bank.
    assert (report.matched, report.waiting) == (5, 2)
    assert (await balances(shop))["fees:gateway"] == 150 + 1_500


async def test_a_gateway_without_payout_lines_is_matched_by_what_its_lines_say(shop: Database) -> None:
    await bring_stripe(shop, charge(1), charge(2), charge(3))
    await bring_bank(shop, "2026-01-03,28.50,,", "2026-02-20,-3.00,x,")
    report = await match(shop)
    assert (report.matched, report.breaks) == (4, {BreakKind.MISSING_HERE: 1})
    assert (await balances(shop)).get("gateway:stripe:receivable", 0) == 0
    await bring_stripe(shop, payout("28.50"))
    assert (await match(shop)).matched == 0


async def test_payouts_that_the_bank_does_not_know_and_pays_twice_are_breaks(shop: Database) -> None:
    first, second = await make_batch(shop, 1), await make_batch(shop, 2, net_minor=500)
    for batch_id in (first, second):
        await execute_payout(shop, "demo", batch_id, actor="cfo", request_id="r", now=AFTER)
    await bring_bank(
        shop,
        f"2026-01-03,-9.41,,{first.hex}",
        f"2026-01-04,-9.41,,{first.hex}",
        "2026-01-02,1.00,x,",
        "2026-01-30,2.00,x,",
    )
    report = await match(shop)
    assert report.breaks == {BreakKind.MISSING_THERE: 1, BreakKind.DUPLICATE: 1, BreakKind.MISSING_HERE: 2}
    duplicate = next(found for found in await open_breaks(shop) if found.kind is BreakKind.DUPLICATE)
    await resolve(shop, duplicate, "suspense:reconciliation")
    held = await balances(shop)
    assert (held["bank:settlement"], held["suspense:reconciliation"]) == (-NET, NET)


async def test_the_same_file_and_the_same_line_count_once(shop: Database) -> None:
    first = await bring_stripe(shop, charge(1), charge(2))
    again = await bring_stripe(shop, charge(1), charge(2))
    overlapping = await bring_stripe(shop, charge(2), charge(3), charge(1, "9.00"))
    assert (first.is_new, again.is_new, again.report.id) == (True, False, first.report.id)
    assert [one.report.new_line_count for one in (first, again, overlapping)] == [2, 2, 2]
    assert await rows(shop, "select count(*)::int from statement_lines") == [(4,)]
    assert (await match(shop)).breaks == {BreakKind.DUPLICATE: 1}


async def test_two_who_import_and_match_at_once_do_it_once(shop: Database) -> None:
    imports = await asyncio.gather(*(bring_stripe(shop, charge(1), charge(2)) for _ in range(4)))
    assert [one.is_new for one in imports].count(True) == 1
    reports = await asyncio.gather(*(match(shop) for _ in range(4)))
    assert sum(report.matched for report in reports) == 2
    assert (await balances(shop))["fees:gateway"] == 100


async def test_a_bad_line_leaves_nothing_behind(shop: Database) -> None:
    with pytest.raises(MalformedPayload, match="line 3, column gross: 'x' is not an amount"):
        await bring_stripe(shop, charge(1), charge(2).replace("10.00", "x"))
    for content in ("", STRIPE_HEADER):
        with pytest.raises(MalformedPayload):
            await bring(shop, content)
    assert await rows(shop, "select 1 from statement_reports") == []
    assert await rows(shop, "select 1 from statement_lines") == []


async def test_what_is_no_import_is_refused(shop: Database) -> None:
    with pytest.raises(NotFound):
        await bring(shop, f"{STRIPE_HEADER}\n{charge(1)}\n", account="nobody")
    for side, report_format, mapping in (
        (Side.BANK, ReportFormat.STRIPE, None),
        (Side.GATEWAY, ReportFormat.CSV, None),
        (Side.GATEWAY, ReportFormat.STRIPE, BANK_MAPPING),
    ):
        with pytest.raises(InvalidInput):
            await bring(shop, f"{STRIPE_HEADER}\n{charge(1)}\n", side, report_format, mapping=mapping)


async def test_what_looks_like_a_card_number_is_not_kept(shop: Database) -> None:
    await bring_bank(shop, "2026-01-03,1.00,Card 4111 1111 1111 1111,")
    assert await rows(shop, "select description from statement_lines") == [(WITHHELD,)]


async def test_a_scope_sees_its_own_statements_and_breaks(shop: Database) -> None:
    await bring_stripe(shop, charge(77))
    await match_statements(shop.scoped({"demo"}), "demo", MatchingRules(), now=LATER)
    (found,) = await open_breaks(shop.scoped({"demo"}))
    assert (await find_breaks(shop.scoped({"other"}), "demo", limit=10))[0] == []
    await resolve(shop.scoped({"demo"}), found, "suspense:reconciliation")
    for table in ("statement_reports", "statement_lines", "reconciliation_items", "reconciliation_breaks"):
        async with shop.scoped({"other"}).transaction() as transaction:
            seen = await transaction.connection.execute(text(f"select 1 from {table}"))  # noqa: S608 - this file's names
            assert list(seen) == []


async def test_breaks_are_read_page_by_page(shop: Database) -> None:
    await bring_stripe(shop, *(charge(number) for number in range(70, 75)))
    await match(shop)
    seen: list[uuid.UUID] = []
    after = None
    while True:
        page, after = await find_breaks(shop, "demo", kind=BreakKind.MISSING_HERE, limit=2, after=after)
        seen += [found.id for found in page]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert (await find_breaks(shop, "demo", kind=BreakKind.FEE, limit=2))[0] == []
