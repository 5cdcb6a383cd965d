"""Shared by the tests of reconciliation: a gateway that loses answers, the clock, and what an audit says at the end."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import text

from connectors.base import Capability, GatewayAnswer, MovementRequest, OrderRequest, Registration, StatusRequest
from connectors.registry import get_registration
from domain.errors import GatewayUnavailable, OutcomeUnknown
from domain.facts import Fact, FactKind
from services.apply_events import apply_events
from services.audit.run import audit_database
from services.commands.runner import CommandRunner
from services.gateways import ConnectorSource
from services.reconcile.reconciler import Found, Reconciler
from services.reconcile.rules import ReconcileRules
from services.settle import SettlementRules, catch_up
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, fact, open_account, received, rows
from topics.commands import CapturePayment, Command, CreatePayment, RefundPayment

LATER = timedelta(seconds=6)
RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0)


@dataclass
class LossyGateway:
    """Has every effect it is asked for, once per idempotency key where it keeps them, and loses answers.

    - `loses`: how many of the next answers get lost after the effect; `drops`: how many requests before it.
    - `is_down`: no status can be read. `blind`: status reads show nothing at all.
    """

    keeps_keys: bool = True
    loses: int = 0
    drops: int = 0
    is_down: bool = False
    blind: bool = False
    movements: dict[str, tuple[FactKind, int]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    reads: int = 0
    refuses: Exception | None = None

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        self._move(request.idempotency_key, FactKind.IGNORED, request.amount_minor)
        return GatewayAnswer(provider_reference="pi_1", client_parameters={"client_secret": "pi_1_secret"})

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        return self._answer(request, FactKind.CAPTURED)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        return self._answer(request, FactKind.REFUNDED)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        return self._answer(request, FactKind.CANCELLED)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        self.reads += 1
        if self.is_down:
            raise GatewayUnavailable("connection refused")
        facts = () if self.blind else tuple(self._fact(key) for key in self._told())
        return GatewayAnswer(provider_reference="pi_1", facts=facts, amount_minor=AMOUNT, currency="USD")

    def in_dashboard(self, name: str, kind: FactKind, amount_minor: int = AMOUNT) -> None:
        """Let somebody move money without us."""
        self.movements[name] = (kind, amount_minor)

    def _told(self) -> list[str]:
        return [key for key, (kind, _) in self.movements.items() if kind is not FactKind.IGNORED]

    def _answer(self, request: MovementRequest, kind: FactKind) -> GatewayAnswer:
        key = self._move(request.idempotency_key, kind, request.amount_minor)
        return GatewayAnswer(provider_reference="pi_1", facts=(self._fact(key),))

    def _fact(self, key: str) -> Fact:
        kind, amount_minor = self.movements[key]
        return fact(
            f"api:{key}:{kind}", kind, movement_reference=f"m_{key}", amount_minor=amount_minor, occurred_at=NOW
        )

    def _move(self, key: str, kind: FactKind, amount_minor: int) -> str:
        self.calls.append(key)
        if self.refuses is not None:
            raise self.refuses
        if self.drops:
            self.drops -= 1
            raise OutcomeUnknown("no answer within 20 s")
        if not self.keeps_keys:
            key = f"{key}#{len(self.calls)}"
        self.movements.setdefault(key, (kind, amount_minor))
        if self.loses:
            self.loses -= 1
            raise OutcomeUnknown("no answer within 20 s")
        return key


class OneGateway(ConnectorSource):
    """Hands the one gateway out."""

    def __init__(self, gateway: LossyGateway) -> None:
        self._gateway = gateway

    async def connector(self, account: str, gateway: str) -> object:
        return self._gateway


class Desk:
    """A shop whose gateway loses answers, and the reconciliation that cleans up behind it."""

    def __init__(self, database: Database, gateway: LossyGateway | None = None) -> None:
        self.database = database
        self.gateway = gateway or LossyGateway()
        self.now = NOW
        gateways = OneGateway(self.gateway)
        self.runner = CommandRunner(database, gateways, self.clock)
        self.reconciler = Reconciler(database, gateways, self.clock, ReconcileRules(), self.look_up)

    def clock(self) -> datetime:
        return self.now

    def look_up(self, gateway: str) -> Registration:
        known = get_registration(gateway)
        rest = known.capabilities - {Capability.REPEATS_SAFELY}
        return replace(known, capabilities=rest | ({Capability.REPEATS_SAFELY} if self.gateway.keeps_keys else set()))

    async def open(self) -> None:
        """Open the account and create the payment."""
        await open_account(self.database)
        assert (await self.runner.run(create("c0"))).outcome == "succeeded"

    async def authorize(self) -> None:
        await self.callback(fact("evt_a", FactKind.AUTHORIZED, movement_reference=None))

    async def complete(self) -> None:
        self.gateway.in_dashboard("paid", FactKind.CAPTURED)
        await self.callback(fact("evt_c", FactKind.CAPTURED, movement_reference="m_paid"))

    async def callback(self, *facts: Fact) -> None:
        """Have facts come in as callbacks do, a second before now."""
        await apply_events(self.database, received(*facts), self.now - timedelta(seconds=1))

    async def run(self, command: Command) -> str:
        return (await self.runner.run(command)).outcome

    async def round(self, after: timedelta = LATER) -> list[Found]:
        """Let time pass, then reconcile what is due."""
        self.now += after
        return [await self.reconciler.carry_out(work) for work in await self.reconciler.claim()]


def create(command_id: str, **changes: object) -> CreatePayment:
    values: dict[str, object] = {
        "command_id": command_id,
        "payment_id": "p1",
        "account": "demo",
        "requested_at": NOW,
        "gateway": "stripe",
        "amount_minor": AMOUNT,
        "currency": "USD",
        "resource_type": "order",
        "resource_id": "o1",
    }
    return CreatePayment.model_validate(values | changes)


def capture(command_id: str, amount_minor: int | None = None) -> CapturePayment:
    return CapturePayment(
        command_id=command_id, payment_id="p1", account="demo", requested_at=NOW, amount_minor=amount_minor
    )


def refund(command_id: str, amount_minor: int | None = None) -> RefundPayment:
    return RefundPayment(
        command_id=command_id, payment_id="p1", account="demo", requested_at=NOW, amount_minor=amount_minor
    )


async def results_of(database: Database, command_id: str) -> list[str]:
    """The outcomes a command was answered with, in order."""
    found = await rows(
        database,
        "select aggregateid, payload::jsonb ->> 'outcome' from outbox"
        " where aggregatetype = 'payments.command-results.v1' order by id",
    )
    return [str(outcome) for answered, outcome in found if answered == command_id]


async def notices(database: Database) -> list[tuple[object, ...]]:
    """Type and kind of what was told on the reconciliation topic, in order."""
    return await rows(
        database,
        "select payload::jsonb ->> 'type', payload::jsonb ->> 'kind' from outbox"
        " where aggregatetype = 'payments.reconciliation.v1' order by id",
    )


async def assert_audit_holds(database: Database) -> None:
    """Do what relay and settle would have done, then audit everything."""
    await catch_up(database, RULES, datetime.max.replace(tzinfo=NOW.tzinfo))
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("delete from outbox"))
    report = await audit_database(database)
    assert report.holds, report.to_json()
