"""Refunds at gateways that cannot list them, or do not call back: each is asked for by its own name until it ends."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from connectors.base import GatewayAnswer, MovementRequest, StatusRequest
from domain.errors import OutcomeUnknown
from domain.facts import FactKind, Trust
from storage.unit_of_work import Database
from tests.integration.services.books import fact, rows
from tests.integration.services.reconciling import Desk, LossyGateway, assert_audit_holds, capture, refund


@dataclass
class UnlistedRefunds(LossyGateway):
    """Names a refund after its key, carries it out later, and tells only of refunds it is asked about by name."""

    statuses: dict[str, FactKind] = field(default_factory=dict)
    asked: list[StatusRequest] = field(default_factory=list)
    movements_asked: list[MovementRequest] = field(default_factory=list)
    loses_refunds: bool = False

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        self.movements_asked.append(request)
        return await super().capture(request)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        self.movements_asked.append(request)
        self.statuses[request.idempotency_key] = FactKind.REFUND_PENDING
        if self.loses_refunds:
            raise OutcomeUnknown("no answer within 20 s")
        return await self.fetch_refund(request.idempotency_key, request.amount_minor)

    async def fetch_refund(self, name: str, amount_minor: int = 400) -> GatewayAnswer:
        kind = self.statuses[name]
        told = fact(f"api:{name}:{kind}", kind, movement_reference=name, amount_minor=amount_minor)
        return GatewayAnswer(provider_reference="pi_1", facts=(told,))

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        self.asked.append(request)
        names = [name for name in (*request.refund_references, *request.open_keys) if name in self.statuses]
        refunds = [(await self.fetch_refund(name)).facts[0] for name in dict.fromkeys(names)]
        answer = await super().fetch_status(request)
        return replace(answer, facts=(*answer.facts, *refunds))


@pytest.fixture
async def gateway() -> UnlistedRefunds:
    return UnlistedRefunds(keeps_keys=False)


@pytest.fixture
async def desk(database: Database, gateway: UnlistedRefunds) -> AsyncIterator[Desk]:
    """A shop with a paid payment; the books must hold at the end."""
    desk = Desk(database, gateway)
    await desk.open()
    await desk.complete()
    yield desk
    await assert_audit_holds(database)


async def refunded(database: Database) -> list[tuple[object, ...]]:
    return await rows(database, "select refunded_minor, refund_pending_minor, status from payments")


async def test_a_pending_refund_is_looked_at_soon_and_then_again_until_it_ends(
    desk: Desk, gateway: UnlistedRefunds
) -> None:
    assert await desk.run(refund("r1", 400)) == "succeeded"
    assert await refunded(desk.database) == [(0, 400, "completed")]

    await desk.round()
    assert [request.refund_references for request in gateway.asked] == [("r1",)]
    desk.now += timedelta(minutes=15)
    assert await desk.reconciler.mark_quiet() == 1
    gateway.statuses["r1"] = FactKind.REFUNDED
    await desk.round()

    assert await refunded(desk.database) == [(400, 0, "partially_refunded")]
    desk.now += timedelta(days=9)
    assert await desk.reconciler.mark_quiet() == 0


async def test_a_refund_of_unknown_outcome_is_asked_for_by_its_key(desk: Desk, gateway: UnlistedRefunds) -> None:
    gateway.loses_refunds = True
    assert await desk.run(refund("r1", 400)) == "unknown"
    gateway.statuses["r1"] = FactKind.REFUNDED

    (found,) = await desk.round()

    assert gateway.asked[-1].open_keys == ("r1",)
    assert [result.outcome for result in found.settled] == ["succeeded"]
    assert await refunded(desk.database) == [(400, 0, "partially_refunded")]


async def test_a_refund_that_only_a_hint_told_of_is_asked_for_by_its_name(desk: Desk, gateway: UnlistedRefunds) -> None:
    gateway.statuses["made-in-the-dashboard"] = FactKind.REFUNDED
    hint = fact("evt_r", FactKind.REFUNDED, trust=Trust.HINT, movement_reference="made-in-the-dashboard")
    await desk.callback(hint)
    assert await refunded(desk.database) == [(0, 0, "completed")]

    await desk.round()

    assert gateway.asked[-1].refund_references == ("made-in-the-dashboard",)
    assert await refunded(desk.database) == [(400, 0, "partially_refunded")]


async def test_an_operation_is_told_the_latest_authorization(database: Database) -> None:
    gateway = UnlistedRefunds()
    desk = Desk(database, gateway)
    await desk.open()
    await desk.callback(fact("evt_1", FactKind.AUTHORIZED, movement_reference="auth_1"))
    later = desk.now + timedelta(minutes=1)
    await desk.callback(fact("evt_2", FactKind.AUTHORIZED, movement_reference="auth_2", occurred_at=later))

    await desk.run(capture("c1"))

    assert [request.authorization_reference for request in gateway.movements_asked] == ["auth_2"]
