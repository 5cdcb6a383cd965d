"""An upstream service: it sends commands to a runner whose gateways are fakes, and has payers pay there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import TypeAdapter

from connectors import registry
from connectors.base import Capability, CredentialsModel, Registration
from domain.errors import GatewayError
from domain.facts import Fact
from domain.money import EXPONENTS
from services.apply_events import ReceivedFact, apply_events
from services.commands.handlers import HANDLERS
from services.commands.runner import CommandRunner
from services.gateway_calls import call_gateway
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, rows
from tests.integration.services.commands.fake_gateway import FakeGateway, FakeGateways
from topics.commands import Command, CommandResult, PaymentCommand

REQUESTED_AT = datetime(2026, 1, 2, tzinfo=UTC)
TESTGATE = "testgate"
GATEWAYS = ("stripe", "razorpay", TESTGATE, "manual")
_COMMAND: TypeAdapter[PaymentCommand] = TypeAdapter(PaymentCommand)


class NoCredentials(CredentialsModel):
    """What the gateways of these tests need."""


ABLE = Registration(
    key=TESTGATE,
    display_name="Testgate",
    description="A gateway that can do everything but ask people.",
    capabilities=frozenset(Capability) - {Capability.APPROVED_BY_PEOPLE, Capability.GIVES_INSTRUCTIONS},
    currencies=frozenset(EXPONENTS) - {"XAF"},
    countries=frozenset({"US"}),
    payment_methods=("card",),
    credentials=NoCredentials,
    factory=lambda _: FakeGateway(TESTGATE),
)


@contextmanager
def registered_testgate() -> Iterator[None]:
    """Register a gateway that can do everything, for as long as it lasts."""
    registry.register_connector(ABLE)
    try:
        yield
    finally:
        del registry._REGISTRATIONS[TESTGATE]


class Shop:
    """Upstream, with a runner of its own. Payment `p1` unless another is named."""

    def __init__(self, database: Database, gateway: str = TESTGATE) -> None:
        self.database = database
        self.gateways = {name: FakeGateway(name) for name in GATEWAYS}
        self.gateway = self.gateways[gateway]
        self.now = NOW
        self.source = FakeGateways(self.gateways)
        self.runner = self.new_runner()

    def new_runner(self) -> CommandRunner:
        """A runner as a process has it that has just started."""
        return CommandRunner(self.database, self.source, lambda: self.now)

    def command(self, kind: str, command_id: str | None = None, **values: object) -> Command:
        """A command as it would come from the topic: with what its kind needs, unless said otherwise."""
        content = {**command_values(kind, self.gateway.name), "command_id": command_id or f"c-{kind}", **values}
        return _COMMAND.validate_python({"command": content}).command

    async def run(self, kind: str, command_id: str | None = None, **values: object) -> CommandResult:
        """Run a command."""
        return await self.runner.run(self.command(kind, command_id, **values))

    async def settle(self, command: Command) -> CommandResult:
        """Finish a command of unknown outcome as reconciliation does: ask again with the same key."""
        async with self.database.transaction() as transaction:
            known = await transaction.commands.lock(command.command_id)
            assert known is not None
            prepared = await HANDLERS[command.kind].resume(transaction, command, known)
        assert prepared.call is not None
        try:
            outcome: object = await call_gateway(self.source, command.account, prepared.gateway, prepared.call)
        except GatewayError as error:
            outcome = error
        return await self.runner.settle_unknown(command, outcome)

    async def tell(self, *facts: Fact, payment_id: str | None = None) -> None:
        """Have callbacks come in."""
        received = [
            ReceivedFact(fact=fact if payment_id is None else replace(fact, payment_id=payment_id)) for fact in facts
        ]
        await apply_events(self.database, received, self.now)

    async def tell_all(self, reference: str = "pi_1") -> None:
        """Have callbacks come in for everything the gateway knows of a payment."""
        await self.tell(*self.gateway.facts(reference, "evt"))

    async def created(self, **values: object) -> None:
        """A payment that is set up at its gateway."""
        result = await self.run("create_payment", f"given-{values.get('payment_id', 'p1')}", **values)
        assert result.outcome == "succeeded", result

    async def recorded(self, **values: object) -> None:
        """A payment that its gateway does not know of."""
        await self.created(set_up_at_gateway=False, **values)

    async def recorded_as(self, payment_id: str) -> None:
        """Another payment that its gateway does not know of."""
        result = await self.run("create_payment", f"given-{payment_id}", payment_id=payment_id, set_up_at_gateway=False)
        assert result.outcome == "succeeded", result

    async def authorized(self, **values: object) -> None:
        """A payment that waits for its capture."""
        await self.created(manual_capture=True, **values)
        self.gateway.pay("pi_1")
        await self.tell_all()

    async def completed(self, **values: object) -> None:
        """A payment that is paid."""
        await self.created(**values)
        self.gateway.pay("pi_1")
        await self.tell_all()

    async def refunded(self) -> None:
        """A payment that was paid and given back."""
        await self.completed()
        assert (await self.run("refund", "given-refund")).outcome == "succeeded"

    async def linked(self, **values: object) -> None:
        """A payment that waits for somebody to follow its link."""
        assert (await self.run("create_payment_link", "given-link", **values)).outcome == "succeeded"

    async def mandated(self, **values: object) -> None:
        """A mandate that can be charged."""
        assert (await self.run("setup_mandate", "given-mandate", **values)).outcome == "succeeded"

    async def invoiced(self) -> None:
        """An invoice of 10.00 USD."""
        assert (await self.run("register_invoice", "given-invoice")).outcome == "succeeded"

    async def submitted(self) -> None:
        """A manual payment of the invoice, which waits for approval."""
        await self.invoiced()
        assert (await self.run("submit_manual_payment", "given-manual")).outcome == "succeeded"

    async def results(self) -> list[tuple[object, ...]]:
        """What the results topic would bring: command id, outcome, code."""
        return await results(self.database)


_NEW = {"amount_minor": AMOUNT, "currency": "USD", "resource_type": "order", "resource_id": "o1"}
_NEEDED: dict[str, dict[str, object]] = {
    "create_payment": _NEW,
    "authorize": {"payment_method_token": "pm_card"},
    "increment_authorization": {"amount_minor": AMOUNT + 500},
    "verify_redirect": {"parameters": {"proof": "genuine"}},
    "complete": {"provider_reference": "pi_1"},
    "submit_manual_payment": {
        **_NEW,
        "resource_type": "invoice",
        "resource_id": "inv-1",
        "method": "bank_transfer",
        "transaction_reference": "TRX-20260102-1",
        "actor": "clerk",
    },
    "approve": {"actor": "boss"},
    "reject": {"actor": "boss", "reason": "the money never came"},
    "register_invoice": {"invoice_id": "inv-1", "amount_minor": AMOUNT, "currency": "USD"},
    "setup_mandate": {"mandate_id": "m1", "customer_id": "cu1", "currency": "USD", "payment_method_token": "pm_card"},
    "charge_mandate": {**_NEW, "mandate_id": "m1"},
    "save_payment_method": {"payment_method_id": "pm1", "customer_id": "cu1", "token": "tok_visa"},
    "create_payment_link": _NEW,
}
_OF_NO_PAYMENT = ("register_invoice", "setup_mandate", "save_payment_method")
_AT_A_GATEWAY = ("create_payment", "setup_mandate", "save_payment_method", "create_payment_link")


def command_values(kind: str, gateway: str = TESTGATE) -> dict[str, object]:
    """The least that a command of a kind must say, without its id."""
    values: dict[str, object] = {"kind": kind, "account": "demo", "requested_at": REQUESTED_AT}
    if kind not in _OF_NO_PAYMENT:
        values["payment_id"] = "p1"
    if kind in _AT_A_GATEWAY:
        values["gateway"] = gateway
    return values | _NEEDED.get(kind, {})


async def results(database: Database) -> list[tuple[object, ...]]:
    """The results in the outbox: command id, outcome, code."""
    return await rows(
        database,
        "select payload::jsonb ->> 'command_id', payload::jsonb ->> 'outcome', payload::jsonb ->> 'code'"
        " from outbox where aggregatetype = 'payments.command-results.v1' order by id",
    )
