"""Who may give a payment its name at a gateway, and what waits for a name: neither hints nor claims move money."""

from dataclasses import replace

from domain.facts import FactKind, Trust
from services.apply_events import apply_events, apply_orphans
from services.audit.run import audit_database
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, fact, open_account, open_payment, received, rows

PI_1 = [("stripe", "demo", "pi_1")]


async def _name_and_adopt(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.payments.add_references([(PI_1[0], "p1")])
        await transaction.payments.set_provider_reference("p1", "pi_1")
        await apply_orphans(transaction, "p1", PI_1, NOW)


async def test_an_orphan_of_another_name_is_not_adopted_for_its_claim(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference="pi_1")
    other = fact("e", FactKind.CAPTURED, provider_reference="pi_other", movement_reference="ch_other", payment_id="p1")
    await apply_events(database, received(other), NOW)
    assert await rows(database, "select disposition from inbox") == [("orphaned",)]
    await _name_and_adopt(database)
    assert await rows(database, "select status from payments") == [("pending",)]


async def test_a_hint_gives_a_payment_no_name(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference=None)
    hint = fact("h", FactKind.CAPTURED, provider_reference="pi_attacker", payment_id="p1", trust=Trust.HINT)
    await apply_events(database, received(hint), NOW)
    assert await rows(database, "select * from payment_references") == []
    await apply_events(database, received(fact("e", FactKind.CAPTURED, payment_id="p1")), NOW)
    assert await rows(database, "select status from payments") == [("completed",)]


async def test_a_hint_does_not_take_the_place_of_the_fact(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    one = fact("e", FactKind.CAPTURED)
    await apply_events(database, received(replace(one, trust=Trust.HINT)), NOW)
    await apply_events(database, received(one), NOW)
    assert await rows(database, "select status from payments") == [("completed",)]


async def test_a_contradicting_hint_leaves_the_audit_clean(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    one = fact("e", FactKind.CAPTURED)
    await apply_events(database, received(one), NOW)
    await apply_events(database, received(replace(one, trust=Trust.HINT, amount_minor=5)), NOW)
    report = await audit_database(database)
    assert [c.name for c in report.checks if c.name == "payments_match_facts" and not c.holds] == []


async def test_an_adopted_fact_leaves_its_names(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference=None)
    await apply_events(database, received(fact("e1", FactKind.CAPTURED, related_references=("ch_1",))), NOW)
    await _name_and_adopt(database)
    later = fact("e2", FactKind.REFUNDED, provider_reference="ch_1", movement_reference="re_1", amount_minor=100)
    await apply_events(database, received(later), NOW)
    assert await rows(database, "select status from payments") == [("partially_refunded",)]


async def test_a_conflict_before_the_payment_counts_like_one_after(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference=None)
    one = fact("e1", FactKind.CAPTURED)
    await apply_events(database, received(one, replace(one, amount_minor=5)), NOW)
    await _name_and_adopt(database)
    assert await rows(database, "select steps::text like '%event_id_conflict%' from payments") == [(True,)]


async def test_a_conflicting_fact_gives_no_name(database: Database) -> None:
    await open_account(database)
    await open_payment(database)
    one = fact("e1", FactKind.CAPTURED)
    await apply_events(database, received(one), NOW)
    await apply_events(database, received(replace(one, provider_reference="pi_x", related_references=("pi_1",))), NOW)
    assert await rows(database, "select reference from payment_references") == [("pi_1",)]


async def test_facts_that_waited_for_a_name_come_with_the_fact_that_brings_it(database: Database) -> None:
    await open_account(database)
    await open_payment(database, reference="order_1")
    refunded = fact("r", FactKind.REFUNDED, provider_reference="ch_1", amount_minor=400, movement_reference="re_1")
    disputed = fact(
        "d", FactKind.DISPUTE_OPENED, provider_reference="dp_1", amount_minor=100, movement_reference="dp_1"
    )
    bridging = replace(refunded, related_references=("dp_1",))
    await apply_events(database, received(bridging, disputed), NOW)
    assert await rows(database, "select distinct disposition from inbox") == [("orphaned",)]

    paid = fact("c", FactKind.CAPTURED, provider_reference="order_1", related_references=("ch_1",))
    await apply_events(database, received(paid), NOW)

    assert await rows(database, "select captured_minor, refunded_minor, disputed_minor from payments") == [
        (1_000, 400, 100)
    ]
    assert await rows(database, "select distinct disposition from inbox") == [("applied",)]
