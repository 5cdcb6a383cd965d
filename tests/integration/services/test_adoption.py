"""Facts about payments that nobody here knows find their payment, or a person."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.base import GatewayAnswer, StatusRequest
from connectors.registry import get_registration
from domain.errors import GatewayRejected
from domain.facts import FactKind
from services.reconcile.adoption import Adopter, Verdict, adopted_payment_id
from services.reconcile.cases import close_settled_cases
from services.reconcile.rules import ReconcileRules
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, balances, events, fact, rows
from tests.integration.services.reconciling import Desk, LossyGateway, OneGateway, assert_audit_holds, create, notices

ADOPTED = adopted_payment_id(("stripe", "demo", "pi_x"))


class Elsewhere(LossyGateway):
    """A gateway at which somebody else has made pi_x."""

    answer: GatewayAnswer | None = GatewayAnswer(
        provider_reference="pi_x",
        facts=(
            fact("api:ch_x", FactKind.CAPTURED, provider_reference="pi_x", movement_reference="ch_x", amount_minor=700),
        ),
        amount_minor=700,
        currency="USD",
    )

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        assert request.payment_id is None
        self.reads += 1
        if self.answer is None:
            raise GatewayRejected("no such payment")
        return self.answer


class Orphanage(Desk):
    """A shop at that gateway."""

    gateway: Elsewhere

    def __init__(self, database: Database) -> None:
        super().__init__(database, Elsewhere())
        self.adopter = Adopter(database, OneGateway(self.gateway), self.clock, ReconcileRules(), self.look_up)

    async def orphan(self, event_id: str = "evt_x", kind: FactKind = FactKind.CAPTURED, **changes: object) -> None:
        values: dict[str, object] = {"provider_reference": "pi_x", "movement_reference": "ch_x", "amount_minor": 700}
        await self.callback(fact(event_id, kind, **(values | changes)))

    async def search(self, after: timedelta = timedelta(seconds=10)) -> list[Verdict]:
        self.now += after
        return [await self.adopter.search(search) for search in await self.adopter.claim()]


@pytest.fixture
async def orphanage(database: Database) -> AsyncIterator[Orphanage]:
    """A shop with a payment of its own; the books must hold at the end."""
    orphanage = Orphanage(database)
    await orphanage.open()
    yield orphanage
    await assert_audit_holds(database)


async def test_a_payment_made_elsewhere_is_adopted_with_what_waited(orphanage: Orphanage) -> None:
    await orphanage.orphan()
    await orphanage.orphan("evt_r", FactKind.REFUNDED, movement_reference="re_x", amount_minor=100)
    assert await orphanage.search() == ["adopted"]
    assert await rows(
        orphanage.database,
        "select id, resource_type, resource_id, amount_minor, captured_minor, refunded_minor, changed_by"
        " from payments where provider_reference = 'pi_x'",
    ) == [(ADOPTED, "adopted", "pi_x", 700, 700, 100, "gateway:stripe")]
    assert await rows(orphanage.database, "select distinct disposition from inbox") == [("applied",)]
    assert (await events(orphanage.database))[-4:] == [
        "payment.created",
        "capture.succeeded",
        "payment.completed",
        "refund.succeeded",
    ]
    assert (await balances(orphanage.database))["gateway:stripe:receivable"] == 600
    assert await orphanage.search(timedelta(days=3)) == []


async def test_a_fact_is_given_ten_seconds_to_find_its_payment(orphanage: Orphanage) -> None:
    await orphanage.orphan()
    assert await orphanage.search(timedelta(seconds=8)) == []
    assert await orphanage.search(timedelta(seconds=1)) == ["adopted"]


async def test_an_orphan_whose_payment_was_named_meanwhile_is_given_to_it(orphanage: Orphanage) -> None:
    await orphanage.orphan()
    reference = ("stripe", "demo", "ch_x")
    orphanage.gateway.answer = replace(
        GatewayAnswer(provider_reference="pi_x", amount_minor=700, currency="USD"),
        facts=(fact("api:1", FactKind.PROCESSING, provider_reference="pi_x", related_references=("ch_x",)),),
    )
    async with orphanage.database.transaction() as transaction:
        await transaction.payments.add_references([(reference, "p1")])
    assert await orphanage.search() == ["known"]
    assert await rows(orphanage.database, "select id, captured_minor from payments") == [("p1", 700)]


async def test_a_payment_whose_id_the_gateway_echoes_is_not_adopted_twice(orphanage: Orphanage) -> None:
    await orphanage.run(create("c2", payment_id="p2", amount_minor=700, set_up_at_gateway=False))
    await orphanage.orphan()
    captured = fact(
        "api:ch_x", FactKind.CAPTURED, provider_reference="pi_x", movement_reference="ch_x", amount_minor=700
    )
    orphanage.gateway.answer = GatewayAnswer(
        provider_reference="pi_x", facts=(replace(captured, payment_id="p2"),), amount_minor=700, currency="USD"
    )
    assert await orphanage.search() == ["known"]
    assert await rows(orphanage.database, "select provider_reference, status from payments where id = 'p2'") == [
        ("pi_x", "completed")
    ]


async def test_a_create_command_under_way_is_waited_for(orphanage: Orphanage) -> None:
    orphanage.gateway.loses = 1
    assert await orphanage.run(create("c2", payment_id="p2", amount_minor=700)) == "unknown"
    await orphanage.orphan()
    assert await orphanage.search() == ["waiting"]
    assert await rows(orphanage.database, "select count(*) from payments") == [(2,)]


async def test_an_adoption_and_a_command_that_names_the_same_payment_make_it_one_payment(orphanage: Orphanage) -> None:
    await orphanage.orphan()
    orphanage.now += timedelta(seconds=10)
    (search,) = await orphanage.adopter.claim()
    gateway = orphanage.gateway

    class Naming(LossyGateway):
        async def create_order(self, request: object) -> GatewayAnswer:
            return GatewayAnswer(provider_reference="pi_x")

    desk = Desk(orphanage.database, Naming())
    outcome, verdict = await asyncio.gather(
        desk.run(create("c2", payment_id="p2", amount_minor=700)), orphanage.adopter.search(search)
    )
    owners = await rows(orphanage.database, "select id from payments where provider_reference = 'pi_x'")
    expected = {"adopted": ("failed", ADOPTED), "gone": ("succeeded", "p2"), "waiting": ("succeeded", "p2")}
    assert (outcome, *owners[0]) == expected[verdict]
    assert len(owners) == 1
    assert await rows(orphanage.database, "select sum(captured_minor) from payments") == [(700,)]
    assert gateway.reads == 1


async def test_searching_twice_at_once_adopts_once(orphanage: Orphanage) -> None:
    await orphanage.orphan()
    orphanage.now += timedelta(seconds=10)
    (search,) = await orphanage.adopter.claim()
    verdicts = await asyncio.gather(*(orphanage.adopter.search(search) for _ in range(4)))
    assert sorted(verdicts) == ["adopted", "gone", "gone", "gone"]
    assert await rows(orphanage.database, "select count(*) from payments") == [(2,)]


async def test_what_cannot_be_adopted_for_a_day_is_a_case(orphanage: Orphanage) -> None:
    orphanage.gateway.answer = None
    await orphanage.orphan()
    verdicts: list[str] = []
    while orphanage.now < NOW + timedelta(days=1, seconds=-1):
        assert await notices(orphanage.database) == []
        verdicts += await orphanage.search(timedelta(minutes=30))
    assert verdicts.count("case") == 1
    assert await notices(orphanage.database) == [("case_opened", "orphan_not_adopted")]
    assert await orphanage.search(timedelta(days=2)) == ["waiting"]
    assert await notices(orphanage.database) == [("case_opened", "orphan_not_adopted")]
    orphanage.gateway.answer = Elsewhere.answer
    assert await orphanage.search(timedelta(days=2)) == ["adopted"]
    assert await close_settled_cases(orphanage.database, orphanage.now) == 1


@pytest.mark.parametrize(
    "changes", [{"amount_minor": None}, {"amount_minor": 0}, {"currency": None}, {"currency": "ZZZ"}]
)
async def test_an_answer_without_an_amount_adopts_nothing(orphanage: Orphanage, changes: dict[str, object]) -> None:
    assert orphanage.gateway.answer is not None
    orphanage.gateway.answer = replace(orphanage.gateway.answer, **changes)  # type: ignore[arg-type]  # by design
    await orphanage.orphan()
    assert await orphanage.search() == ["waiting"]
    assert await rows(orphanage.database, "select disposition from inbox") == [("orphaned",)]


async def test_a_gateway_that_cannot_be_read_is_not_asked(orphanage: Orphanage) -> None:
    blind = replace(get_registration("stripe"), capabilities=frozenset())
    adopter = Adopter(
        orphanage.database, OneGateway(orphanage.gateway), orphanage.clock, ReconcileRules(), lambda _: blind
    )
    await orphanage.orphan()
    orphanage.now += timedelta(seconds=10)
    assert [await adopter.search(search) for search in await adopter.claim()] == ["waiting"]
    assert orphanage.gateway.reads == 0


def test_an_adopted_payments_id_follows_from_its_name() -> None:
    assert adopted_payment_id(("stripe", "demo", "pi_x")) == ADOPTED
    assert adopted_payment_id(("stripe", "other", "pi_x")) != ADOPTED
    assert AMOUNT != 700
