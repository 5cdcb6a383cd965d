"""A payment whose creation got no answer is looked for by the name that it would have at its gateway."""

from dataclasses import dataclass, field

from connectors.base import GatewayAnswer, StatusRequest
from domain.errors import NotFound
from domain.facts import FactKind
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, fact, open_account, rows
from tests.integration.services.reconciling import Desk, LossyGateway, assert_audit_holds, create


@dataclass
class NamedByUs(LossyGateway):
    """Calls a payment `pi_1` because we said so, and can be asked by that name."""

    asked: list[str] = field(default_factory=list)
    amount_minor: int = AMOUNT

    def payment_name(self, payment_id: str) -> str:
        assert payment_id == "p1"
        return "pi_1"

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        self.asked.append(request.provider_reference)
        if not self.movements:
            raise NotFound("no such payment")
        facts = tuple(
            fact(f"api:{name}", kind, movement_reference=f"m_{name}", amount_minor=amount_minor)
            for name, (kind, amount_minor) in self.movements.items()
            if kind is not FactKind.IGNORED
        )
        return GatewayAnswer(provider_reference="pi_1", facts=facts, amount_minor=self.amount_minor, currency="USD")


async def unknown_creation(database: Database, gateway: NamedByUs) -> Desk:
    gateway.loses = 1
    desk = Desk(database, gateway)
    await open_account(database)
    assert await desk.run(create("c0")) == "unknown"
    assert await rows(database, "select provider_reference from payments") == [(None,)]
    return desk


async def test_a_payment_that_is_there_gets_its_name_and_what_happened_to_it(database: Database) -> None:
    gateway = NamedByUs(keeps_keys=False)
    desk = await unknown_creation(database, gateway)
    gateway.in_dashboard("paid", FactKind.CAPTURED)

    (found,) = await desk.round()

    assert gateway.asked == ["pi_1"]
    assert [result.outcome for result in found.settled] == ["succeeded"]
    assert await rows(database, "select provider_reference, status from payments") == [("pi_1", "completed")]
    await assert_audit_holds(database)


async def test_a_payment_of_another_amount_is_not_taken_for_ours(database: Database) -> None:
    gateway = NamedByUs(keeps_keys=False, amount_minor=AMOUNT + 1)
    desk = await unknown_creation(database, gateway)

    (found,) = await desk.round()

    assert found.settled == []
    assert await rows(database, "select provider_reference, status from payments") == [(None, "pending")]


async def test_a_payment_that_is_not_there_stays_unknown(database: Database) -> None:
    gateway = NamedByUs(keeps_keys=False, drops=1)
    desk = Desk(database, gateway)
    await open_account(database)
    assert await desk.run(create("c0")) == "unknown"

    (found,) = await desk.round()

    assert (gateway.asked, found.settled) == (["pi_1"], [])
