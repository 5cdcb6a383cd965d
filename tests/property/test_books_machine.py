"""Random commands, callbacks, crashes and timeouts, in any order: the books always hold, and match the gateway's.

The machine runs against a real PostgreSQL; the gateway is in memory and keeps what payers paid. What waits by right
(the outbox, entries to count) is drained before the audit; commands that crashed or stayed unknown are finished before
the books are compared with the gateway's.
"""

import asyncio
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack
from domain.errors import GatewayDeclined, GatewayUnavailable, OutcomeUnknown
from domain.facts import Fact, FactKind
from domain.operations import OPERATIONS
from domain.payment import Status
from services.audit.run import audit_database
from services.settle import SettlementRules, catch_up
from storage.migrate import migrate
from storage.outbox import SHARDS
from storage.unit_of_work import Database
from tests.integration.services.books import AMOUNT, NOW, open_account, rows
from tests.integration.services.commands.shop import Shop, registered_testgate
from topics.commands import Command

AUDIT_EVERY_STEPS = 6
RULES = SettlementRules(window_seconds=3_600, grace_seconds=0, auto_approve_threshold_minor=0)
TROUBLES = ("none", "none", "crash", "unavailable", "silent_after", "silent_before", "declined")
MAKING = ("create_payment", "create_payment", "charge_mandate", "create_payment_link", "submit_manual_payment")
INTERFERING = ("create_order", "cancel", "refund", "reverse", "capture", "void")
DRAIN_ROUNDS = 600
DRAIN_PAUSE_SECONDS = 0.1
OPEN_TRANSACTIONS = """
    select pid, datname, application_name, state, backend_xid::text, left(query, 80) from pg_stat_activity
    where backend_xid is not null
"""
STATUS = "select coalesce((select status from payments where id = '{}'), 'pending')"
DISPUTE_KINDS = (FactKind.DISPUTE_OPENED, FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST)

amounts = st.one_of(st.none(), st.integers(min_value=1, max_value=AMOUNT + 200))
troubles = st.sampled_from(TROUBLES)
choices = st.integers(min_value=0, max_value=10_000)

Result = TypeVar("Result")


KEPT = """
    select coalesce(sum(case when status = 'reversed' then 0 else captured_minor - refunded_minor end), 0)::int
    from payments where gateway = 'testgate'
"""
"""What our books say payers paid and did not get back."""


class Crashed(RuntimeError):
    """The process died between the call and its record."""


@dataclass(frozen=True)
class Bench:
    """What every run of the machine needs of the test session."""

    server_url: str
    template: str
    loop: asyncio.AbstractEventLoop


class BooksMachine(RuleBasedStateMachine):
    """One database, one shop, one gateway, for one run."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self._name = f"paystream_machine_{secrets.token_hex(6)}"
        self._do(create_database_async(self.bench.server_url, self._name, template=self.bench.template))
        self.database = Database(database_url(self.bench.server_url, self._name), pool_size=2)
        self.shop = Shop(self.database)
        self.payments: list[str] = []
        self.sent: dict[str, Command] = {}
        self.unfinished: dict[str, Command] = {}
        self.told: list[Fact] = []
        self.disputes = 0
        self.finals: dict[str, list[str]] = defaultdict(list)
        self.steps = 0
        self._do(self._open())

    async def _open(self) -> None:
        """A paid payment and an authorized one to begin with: most of what can go wrong comes after that."""
        await open_account(self.database)
        await self.shop.mandated()
        await self.shop.invoiced()
        for number, waits in enumerate((False, True)):
            payment_id = self._new_id()
            await self.shop.created(payment_id=payment_id, manual_capture=waits, **self._split(number))
            self.shop.gateway.pay(f"pi_{number + 1}")
            await self.shop.tell_all(f"pi_{number + 1}")

    @rule(choice=choices, kind=st.sampled_from(MAKING), trouble=troubles)
    def make(self, choice: int, kind: str, trouble: str) -> None:
        """Make a payment in one of the ways there are; now and then under an id that is taken."""
        payment_id = self._new_id() if choice % 8 else self._payment(choice)
        values: dict[str, object] = {"manual_capture": choice % 2 == 0} if kind == "create_payment" else {}
        if kind == "create_payment" and choice % 5 == 0:
            values["set_up_at_gateway"] = False
        if kind != "submit_manual_payment":
            values |= self._split(choice)
        self._send(kind, trouble, payment_id=payment_id, **values)

    @rule(choice=choices, other=choices, amount=amounts, trouble=troubles)
    def operate(self, choice: int, other: int, amount: int | None, trouble: str) -> None:
        """Ask something of a payment, mostly what its status allows."""
        payment_id = self._payment(choice)
        status = Status(str(self._do(rows(self.database, STATUS.format(payment_id)))[0][0]))
        allowed = sorted(operation for operation, statuses in OPERATIONS.items() if status in statuses)
        kind = self._pick(allowed if other % 6 else sorted(OPERATIONS), other // 6).value
        values: dict[str, object] = {"amount_minor": amount} if kind in {"capture", "refund"} else {}
        if kind == "complete":
            values = {"provider_reference": self._held(other)}
        if kind in {"approve", "reject"}:
            values = {"actor": "clerk" if other % 4 == 0 else "boss"}
        self._send(kind, trouble, payment_id=payment_id, **values)

    @rule(choice=choices, amount=amounts, trouble=troubles)
    def refund(self, choice: int, amount: int | None, trouble: str) -> None:
        """Refund more often than by chance: this is where money could go twice."""
        self._send("refund", trouble, payment_id=self._payment(choice), amount_minor=amount)

    @precondition(lambda self: self.sent)
    @rule(choice=choices, trouble=troubles)
    def repeat(self, choice: int, trouble: str) -> None:
        """Send a command once more, as the broker does: most often one that is not finished."""
        commands = self.unfinished if self.unfinished and choice % 4 else self.sent
        self._run(commands[self._pick(sorted(commands), choice // 4)], trouble)

    @precondition(lambda self: self.unfinished)
    @rule(choice=choices, kind=st.sampled_from(INTERFERING), trouble=troubles)
    def interfere(self, choice: int, kind: str, trouble: str) -> None:
        """Ask for something else of a payment whose last command is not finished."""
        unfinished = self.unfinished[self._pick(sorted(self.unfinished), choice)]
        if unfinished.subject_id in self.payments:
            self._send(kind, trouble, payment_id=unfinished.subject_id)

    @precondition(lambda self: self.unfinished)
    @rule(choice=choices)
    def come_back_to_an_unreachable_gateway(self, choice: int) -> None:
        """Start the process anew while the gateway is gone, and have a command come again that had begun."""
        self.restart()
        self._run(self.unfinished[self._pick(sorted(self.unfinished), choice)], "unavailable")

    @precondition(lambda self: self.sent)
    @rule(choice=choices)
    def reuse_id(self, choice: int) -> None:
        """Send another command under a used id."""
        command = self.sent[self._pick(sorted(self.sent), choice)].model_copy(update={"actor": "a-stranger"})
        result = self._do(self.shop.runner.run(command))
        assert (result.outcome, result.code) == ("refused", "command_conflict")

    @rule()
    def restart(self) -> None:
        """Start the process anew."""
        self.shop.runner = self.shop.new_runner()

    @rule()
    def reconcile(self) -> None:
        """Finish what crashed or stayed unknown."""
        self._finish_all()

    @rule(choice=choices)
    def pay(self, choice: int) -> None:
        """Have a payer pay in the browser."""
        held = self.shop.gateway.held[self._held(choice)]
        if not held.is_voided and not held.is_reversed:
            self.shop.gateway.pay(held.reference)

    @rule(choice=choices, amount=st.integers(min_value=1, max_value=AMOUNT), fails=st.booleans())
    def refund_in_the_dashboard(self, choice: int, amount: int, fails: bool) -> None:
        """Refund behind our back, as much as the gateway allows; or have a refund fail that had succeeded."""
        gateway = self.shop.gateway
        refunds = [refund for held in gateway.held.values() for refund in held.refunds]
        if fails and refunds:
            gateway.take_back(self._pick(refunds, choice))
            return
        try:
            gateway.give_back(self._held(choice), amount)
        except GatewayDeclined:
            return

    @rule(choice=choices, order=st.randoms(use_true_random=False), repeats=st.integers(min_value=1, max_value=3))
    def call_back(self, choice: int, order: Any, repeats: int) -> None:  # noqa: ANN401 - a random.Random of Hypothesis
        """Have some of a payment's callbacks come in, repeated and in any order."""
        facts = self.shop.gateway.facts(self._held(choice), "evt") * repeats
        order.shuffle(facts)
        self._tell(*facts[: order.randint(0, len(facts))])

    @rule(choice=choices, kinds=st.lists(st.sampled_from(DISPUTE_KINDS), min_size=1, max_size=4), amount=amounts)
    def dispute(self, choice: int, kinds: list[FactKind], amount: int | None) -> None:
        """Have a dispute's callbacks come in, in any order, also contradictory ones."""
        self.disputes += 1
        self._tell(*(self._dispute(self._held(choice), kind, amount or AMOUNT) for kind in kinds))

    @precondition(lambda self: self.told)
    @rule(choice=choices)
    def contradict(self, choice: int) -> None:
        """Have an event that is known come in with other content."""
        fact = self._pick(self.told, choice)
        self._do(self.shop.tell(replace(fact, amount_minor=(fact.amount_minor or 0) + 1, currency="USD")))

    @rule(number=choices)
    def call_back_from_nowhere(self, number: int) -> None:
        """Have a callback come in about a payment nobody knows."""
        held = replace(self.shop.gateway.held["pi_1"], reference=f"pi_x{number}")
        fact = self.shop.gateway._fact(held, "evt", 0, FactKind.CAPTURED, f"ch_x{number}", AMOUNT)
        self._do(self.shop.tell(fact))

    @invariant()
    def the_tables_hold(self) -> None:
        """Audit them now and then: a whole audit after each step would take longer than the steps."""
        self.steps += 1
        if self.steps % AUDIT_EVERY_STEPS == 0:
            self._audit()

    def teardown(self) -> None:
        """Let everything come to rest, audit it all and compare the books with the gateway's."""
        try:
            self._finish_all()
            for reference in self.shop.gateway.held:
                self._tell(*self.shop.gateway.facts(reference, "evt"))
            self._audit()
            self._compare()
            self._check_answers()
        finally:
            self._do(self.database.close())
            self._do(drop_database_async(self.bench.server_url, self._name))

    def _send(self, kind: str, trouble: str, **values: object) -> None:
        command = self.shop.command(kind, f"c{len(self.sent)}", **values)
        self.sent[command.command_id] = command
        self._run(command, trouble)

    def _run(self, command: Command, trouble: str) -> None:
        gateway = self.shop.gateway
        if trouble == "declined" and command.command_id in gateway.effects:
            # A gateway that has carried out a request answers its key as it did then; it does not decline it later.
            trouble = "none"
        before: dict[str, Exception] = {
            "declined": GatewayDeclined("no"),
            "unavailable": GatewayUnavailable("no connection"),
            "silent_before": OutcomeUnknown("no answer"),
        }
        after: dict[str, Exception] = {"silent_after": OutcomeUnknown("no answer"), "crash": Crashed("died")}
        gateway.fails_before = [before[trouble]] if trouble in before else []
        gateway.fails_after = [after[trouble]] if trouble in after else []
        try:
            result = self._do(self.shop.runner.run(command))
        except GatewayUnavailable as error:
            result = self._do(self.shop.runner.give_up(command, error))
        except Crashed:
            self.unfinished[command.command_id] = command
            return
        finally:
            gateway.fails_before, gateway.fails_after = [], []
        self.unfinished.pop(command.command_id, None)
        if result.outcome == "unknown":
            self.unfinished[command.command_id] = command

    def _finish_all(self) -> None:
        for command in list(self.unfinished.values()):
            result = self._do(self.shop.runner.run(command))
            if result.outcome == "unknown":
                result = self._do(self.shop.settle(command))
            assert result.outcome in {"succeeded", "failed"}, result
        self.unfinished.clear()

    def _audit(self) -> None:
        self._do(self._drain())
        report = self._do(audit_database(self.database))
        waiting = {"commands_answered"} if self.unfinished else set()
        broken = [check for check in report.checks if not check.holds and check.name not in waiting]
        assert not broken, report.to_json()

    async def _drain(self) -> None:
        """Do the relay's and the settle agent's work."""
        await catch_up(self.database, RULES, NOW + timedelta(days=1))
        for _ in range(DRAIN_ROUNDS):
            async with self.database.transaction() as transaction:
                planned = await transaction.outbox.plan(range(SHARDS), 1_000)
            for message in planned:
                self._note(message.message.topic, message.message.payload)
            async with self.database.transaction() as transaction:
                await transaction.outbox.finish(planned)
                if await transaction.outbox.count() == 0:
                    return
            if not planned:
                await asyncio.sleep(DRAIN_PAUSE_SECONDS)
        open_transactions = await rows(self.database, OPEN_TRANSACTIONS)
        pytest.fail(f"The outbox was not drained; open transactions: {open_transactions}")

    def _note(self, topic: str, payload: str) -> None:
        if topic == "payments.command-results.v1":
            result = json.loads(payload)
            if result["outcome"] != "unknown":
                self.finals[result["command_id"]].append(result["outcome"])

    def _compare(self) -> None:
        ours = self._do(rows(self.database, KEPT))
        named = {row[0] for row in self._do(rows(self.database, "select reference from payment_references"))}
        theirs = sum(held.kept_minor for held in self.shop.gateway.held.values() if held.reference in named)
        unnamed = [held for held in self.shop.gateway.held.values() if held.reference not in named]
        assert ours == [(theirs,)]
        assert not unnamed

    def _check_answers(self) -> None:
        """Each command has one final result, which is true, and no payment can be paid for in two ways."""
        effects = self.shop.gateway.effects
        wrong = {
            command_id: self.finals[command_id]
            for command_id in self.sent
            if len(self.finals[command_id]) != 1 or (command_id in effects and self.finals[command_id] != ["succeeded"])
        }
        assert not wrong
        payable = Counter(
            self.sent[command_id].subject_id if command_id in self.sent else command_id.removeprefix("given-")
            for command_id, (what, _) in effects.items()
            if what in {"order", "charge_mandate"}
        )
        assert set(payable.values()) == {1}, payable

    def _tell(self, *facts: Fact) -> None:
        self.told += facts
        self._do(self.shop.tell(*facts))

    def _dispute(self, reference: str, kind: FactKind, amount_minor: int) -> Fact:
        held = self.shop.gateway.held[reference]
        amount = None if kind is FactKind.DISPUTE_WON else amount_minor
        return self.shop.gateway._fact(held, "evt", self.disputes, kind, f"dp_{self.disputes}", amount)

    def _held(self, choice: int) -> str:
        return self._pick(sorted(self.shop.gateway.held), choice)

    @staticmethod
    def _pick(options: list[Result], choice: int) -> Result:
        return options[choice % len(options)]

    def _payment(self, choice: int) -> str:
        """A payment, every other time the one of the last command: what follows closely goes wrong most easily."""
        if choice % 2 or not self.sent:
            return self._pick(self.payments, choice // 2)
        latest = list(self.sent.values())[-1].subject_id
        return latest if latest in self.payments else self.payments[-1]

    def _new_id(self) -> str:
        self.payments.append(f"p{len(self.payments)}")
        return self.payments[-1]

    @staticmethod
    def _split(choice: int) -> dict[str, object]:
        """A partner's part in every second payment."""
        part = {"recipient_type": "partner", "recipient_id": "atelier", "amount_minor": 333}
        return {"splits": [part]} if choice % 2 else {}

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.bench.loop.run_until_complete(work)


@pytest.fixture
def bench(stack: Stack) -> Iterator[Bench]:
    """A migrated, empty database to copy, and the gateway of these tests."""
    template = f"paystream_template_{secrets.token_hex(6)}"
    # The rules are synchronous, so they drive a loop of their own. It is not set as the current one: that is pytest's.
    loop = asyncio.new_event_loop()
    with closing(loop), registered_testgate():
        loop.run_until_complete(create_database_async(stack.database_url, template))
        loop.run_until_complete(migrate(database_url(stack.database_url, template)))
        yield Bench(stack.database_url, template, loop)
        loop.run_until_complete(drop_database_async(stack.database_url, template))


@pytest.mark.timeout(600)
def test_the_books_hold_whatever_happens(bench: Bench) -> None:
    limits = settings(max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    machine = type("BooksMachineHere", (BooksMachine,), {"bench": bench})
    run_state_machine_as_test(machine, settings=limits)
