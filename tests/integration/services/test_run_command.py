"""Commands in three phases: idempotent, safe against crashes, and never mistaking silence for failure."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from connectors.base import GatewayAnswer, MovementRequest, OrderRequest, StatusRequest
from domain.errors import GatewayDeclined, GatewayUnavailable, OutcomeUnknown
from domain.facts import Fact, FactKind
from services.apply_events import apply_events
from services.commands.runner import CommandRunner
from services.sync import sync_due_payments
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, fact, open_account, received, rows
from topics.commands import CapturePayment, Command, CreatePayment, RefundPayment


@dataclass
class FakeGateway:
    """A gateway that keeps its promise about idempotency keys: the same key is one movement, answered alike."""

    movements: dict[str, tuple[str, int]] = field(default_factory=dict)
    calls: int = 0
    fails_before: list[Exception] = field(default_factory=list)
    fails_after: list[Exception] = field(default_factory=list)

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        self._move(request.idempotency_key, "order", request.amount_minor)
        return GatewayAnswer(provider_reference="pi_1", client_parameters={"client_secret": "pi_1_secret"})

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        self._move(request.idempotency_key, "capture", request.amount_minor)
        captured = fact("api:capture", FactKind.CAPTURED, amount_minor=request.amount_minor)
        return GatewayAnswer(provider_reference="pi_1", facts=(captured,))

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        key = request.idempotency_key
        self._move(key, "refund", request.amount_minor)
        refunded = fact(
            f"api:{key}", FactKind.REFUNDED, movement_reference=f"re_{key}", amount_minor=request.amount_minor
        )
        return GatewayAnswer(provider_reference="pi_1", facts=(refunded,))

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        return GatewayAnswer(provider_reference=request.provider_reference, facts=tuple(self._all_facts()))

    def _all_facts(self) -> list[Fact]:
        kinds = {"capture": FactKind.CAPTURED, "refund": FactKind.REFUNDED}
        return [
            fact(f"sync:{key}", kinds[what], movement_reference=f"x_{key}", amount_minor=amount)
            for key, (what, amount) in self.movements.items()
            if what in kinds
        ]

    def _move(self, key: str, what: str, amount_minor: int) -> None:
        self.calls += 1
        if self.fails_before:
            raise self.fails_before.pop(0)
        self.movements.setdefault(key, (what, amount_minor))
        if self.fails_after:
            raise self.fails_after.pop(0)


class FakeGateways:
    """Hands out the one fake gateway."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def connector(self, account: str, gateway: str) -> object:
        return self._gateway


class Shop:
    """An upstream service with a runner of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.gateway = FakeGateway()
        self.now = NOW
        self.runner = CommandRunner(database, FakeGateways(self.gateway), lambda: self.now)

    async def create(self, command_id: str = "c1", **changes: object) -> str:
        return (await self.runner.run(create(command_id, **changes))).outcome

    async def authorize(self) -> None:
        """Have the payment's authorization come in as a callback does."""
        await apply_events(self.database, received(fact("evt_a", FactKind.AUTHORIZED, movement_reference=None)), NOW)

    async def complete(self) -> None:
        """Have the payment's capture come in as a callback does."""
        await apply_events(self.database, received(fact("evt_c", FactKind.CAPTURED)), NOW)


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with an account."""
    await open_account(database)
    return Shop(database)


def create(command_id: str, **changes: object) -> CreatePayment:
    values: dict[str, object] = {
        "command_id": command_id,
        "payment_id": "p1",
        "account": "demo",
        "requested_at": datetime(2026, 1, 2, tzinfo=UTC),
        "gateway": "stripe",
        "amount_minor": AMOUNT,
        "currency": "USD",
        "resource_type": "order",
        "resource_id": "o1",
    }
    return CreatePayment.model_validate(values | changes)


def follow_up(kind: type[CapturePayment] | type[RefundPayment], command_id: str, amount: int | None = None) -> Command:
    return kind(
        command_id=command_id,
        payment_id="p1",
        account="demo",
        requested_at=datetime(2026, 1, 2, tzinfo=UTC),
        amount_minor=amount,
    )


async def results(database: Database) -> list[tuple[object, ...]]:
    return await rows(
        database,
        "select payload::jsonb ->> 'command_id', payload::jsonb ->> 'outcome', payload::jsonb ->> 'code'"
        " from outbox where aggregatetype = 'payments.command-results.v1' order by id",
    )


async def test_a_created_payment_gets_its_name_and_the_client_its_secret(shop: Shop) -> None:
    result = await shop.runner.run(create("c1"))
    assert result.outcome == "succeeded"
    assert result.client_parameters == {"client_secret": "pi_1_secret"}
    assert await rows(shop.database, "select id, provider_reference, status from payments") == [
        ("p1", "pi_1", "pending")
    ]
    assert await results(shop.database) == [("c1", "succeeded", None)]


async def test_the_same_command_again_answers_alike_and_calls_nobody(shop: Shop) -> None:
    first = await shop.runner.run(create("c1"))
    second = await shop.runner.run(create("c1"))
    assert first == second
    assert shop.gateway.calls == 1
    assert await results(shop.database) == [("c1", "succeeded", None)]


async def test_the_same_command_id_with_other_content_is_refused(shop: Shop) -> None:
    await shop.create()
    result = await shop.runner.run(create("c1", amount_minor=AMOUNT + 1))
    assert (result.outcome, result.code) == ("refused", "command_conflict")
    assert await rows(shop.database, "select amount_minor from payments") == [(AMOUNT,)]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"account": "nobody"}, "not_found", "account"),
        ({"gateway": "nowhere"}, "not_found", "gateway"),
        (
            {"splits": [{"recipient_type": "partner", "recipient_id": "a", "amount_minor": AMOUNT + 1}]},
            "invalid_input",
            "splits",
        ),
    ],
)
async def test_a_refused_command_leaves_no_payment_and_is_answered(
    shop: Shop, changes: dict[str, object], code: str, field: str
) -> None:
    result = await shop.runner.run(create("c1", **changes))
    assert (result.outcome, result.code, result.field) == ("refused", code, field)
    assert await rows(shop.database, "select id from payments") == []
    assert shop.gateway.calls == 0
    assert await results(shop.database) == [("c1", "refused", code)]


async def test_a_callback_that_came_before_the_payments_name_is_applied_with_it(shop: Shop) -> None:
    await shop.complete()
    await shop.create()
    assert await rows(shop.database, "select status, captured_minor from payments") == [("completed", AMOUNT)]
    assert await rows(shop.database, "select disposition from inbox") == [("applied",)]


async def test_a_crash_between_the_call_and_its_record_charges_once(shop: Shop) -> None:
    await shop.create()
    await shop.authorize()
    shop.gateway.fails_after = [RuntimeError("the process died here")]
    with pytest.raises(RuntimeError, match="died here"):
        await shop.runner.run(follow_up(CapturePayment, "c2"))
    assert await rows(shop.database, "select state from commands where id = 'c2'") == [("started",)]
    result = await shop.runner.run(follow_up(CapturePayment, "c2"))
    assert result.outcome == "succeeded"
    assert [what for what, _ in shop.gateway.movements.values()] == ["order", "capture"]
    assert await rows(shop.database, "select status, captured_minor from payments") == [("completed", AMOUNT)]


async def test_a_timeout_is_unknown_and_the_status_fetch_finds_the_truth(shop: Shop) -> None:
    await shop.create()
    await shop.authorize()
    shop.gateway.fails_after = [OutcomeUnknown("no answer within 10 s")]
    result = await shop.runner.run(follow_up(CapturePayment, "c2"))
    assert (result.outcome, result.status) == ("unknown", "authorized")
    assert await rows(shop.database, "select status from payments") == [("authorized",)]
    shop.now = datetime(2026, 1, 2, 4, tzinfo=UTC)
    assert await sync_due_payments(shop.database, FakeGateways(shop.gateway), lambda: shop.now) == 1
    assert await rows(shop.database, "select status, sync_due_at from payments") == [("completed", None)]


async def test_a_decline_is_a_failed_command_and_moves_nothing(shop: Shop) -> None:
    await shop.create()
    await shop.authorize()
    shop.gateway.fails_before = [GatewayDeclined("do not honour")]
    result = await shop.runner.run(follow_up(CapturePayment, "c2"))
    assert (result.outcome, result.code, result.status) == ("failed", "gateway_declined", "authorized")


async def test_an_unreachable_gateway_may_be_tried_again_and_then_given_up(shop: Shop) -> None:
    error = GatewayUnavailable("connection refused")
    shop.gateway.fails_before = [error]
    with pytest.raises(GatewayUnavailable):
        await shop.runner.run(create("c1"))
    assert (await shop.runner.give_up(create("c1"), error)).outcome == "failed"
    assert await results(shop.database) == [("c1", "failed", "gateway_unavailable")]


async def test_operations_are_checked_against_the_status(shop: Shop) -> None:
    await shop.create()
    result = await shop.runner.run(follow_up(RefundPayment, "c2"))
    assert (result.outcome, result.code) == ("refused", "operation_not_allowed")
    assert "pending" in (result.message or "")


async def test_another_accounts_payment_is_not_there(shop: Shop) -> None:
    await shop.create()
    await open_account(shop.database, "other")
    command = follow_up(RefundPayment, "c2").model_copy(update={"account": "other"})
    result = await shop.runner.run(command)
    assert (result.outcome, result.code) == ("refused", "not_found")


async def test_refunds_never_exceed_the_capture_however_many_run_at_once(shop: Shop) -> None:
    await shop.create()
    await shop.complete()
    commands = [follow_up(RefundPayment, f"r{number}", 90) for number in range(50)]
    outcomes = [result.outcome for result in await asyncio.gather(*map(shop.runner.run, commands))]
    assert outcomes.count("succeeded") == AMOUNT // 90
    assert outcomes.count("refused") == 50 - AMOUNT // 90
    assert await rows(shop.database, "select refunded_minor from payments") == [(AMOUNT // 90 * 90,)]
    rest = await shop.runner.run(follow_up(RefundPayment, "rest"))
    assert (rest.outcome, rest.amount_minor, rest.status) == ("succeeded", AMOUNT % 90, "refunded")


async def test_a_refund_of_unknown_outcome_keeps_its_amount_reserved(shop: Shop) -> None:
    await shop.create()
    await shop.complete()
    shop.gateway.fails_before = [OutcomeUnknown("no answer")]
    assert (await shop.runner.run(follow_up(RefundPayment, "r1", 600))).outcome == "unknown"
    refused = await shop.runner.run(follow_up(RefundPayment, "r2", 500))
    assert (refused.outcome, refused.code) == ("refused", "amount_exceeded")
    assert (await shop.runner.run(follow_up(RefundPayment, "r3", 400))).outcome == "succeeded"
