"""Random movements, rules, closings, people and deaths of the settle process: every cent is paid once, or still owed.

The machine runs against a real PostgreSQL with a clock that it moves; the broker is in memory, and the settle process
is its own code, killed between any two statements and between a commit and what is published of it. At the end every
entry is in one batch that was paid, nobody is owed anything, and the live totals are PostgreSQL's.
"""

import asyncio
import os
import secrets
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agents.settle import window_key
from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack
from domain.errors import OperationNotAllowed
from domain.facts import Fact
from domain.window_totals import WindowTotals
from services.apply_events import apply_events
from services.audit.run import audit_database
from services.settle import SettlementRules, close_windows
from storage.migrate import migrate
from storage.outbox import SHARDS
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, open_account, received, rows
from tests.property.settle_stand_in import COUNTING, SHOWING, SettleStandIn
from tests.property.settlement_actions import SCHEDULES, SettlementActions
from tests.property.settlement_books import check_books, check_everything_is_paid
from tests.property.settlement_stream import CURRENCIES, history

RULES = SettlementRules(
    window_seconds=3_600,
    grace_seconds=60,
    auto_approve_threshold_minor=2_500,
    second_approval_threshold_minor=9_000,
    catch_up_after_seconds=0,
)
ACCOUNTS = ("demo", "shop")
PEOPLE = ("settlement-agent", "ann", "bob", "cid")
PAUSES = (timedelta(minutes=1), timedelta(minutes=20), timedelta(hours=2), timedelta(hours=26))
CHECK_EVERY_STEPS = 3
LAST_ROUNDS = 12
RUNS = int(os.environ.get("PAYSTREAM_SETTLEMENT_RUNS", "16"))

chances = st.randoms(use_true_random=False)
choices = st.integers(min_value=0, max_value=10_000)
deaths = st.one_of(st.none(), st.integers(min_value=0, max_value=40))
jobs = st.sampled_from((COUNTING, COUNTING, SHOWING, "catch_up", "close", "close"))

Result = TypeVar("Result")


@dataclass(frozen=True)
class Bench:
    """What every run of the machine needs of the test session."""

    server_url: str
    template: str
    loop: asyncio.AbstractEventLoop


class SettlementMachine(RuleBasedStateMachine):
    """One database, two accounts, one settle process, for one run."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self._name = f"paystream_settlement_{secrets.token_hex(6)}"
        self._do(create_database_async(self.bench.server_url, self._name, template=self.bench.template))
        url = database_url(self.bench.server_url, self._name)
        self.database = Database(url, pool_size=2)
        self.settles_database = Database(url, pool_size=2)
        self.now = NOW
        self.settle = SettleStandIn(self.settles_database, RULES, lambda: self.now)
        self.people = SettlementActions(self.database, lambda: self.now)
        self.untold: list[Fact] = []
        self.told: dict[str, list[Fact]] = defaultdict(list)
        self.steps = 0

    @initialize(chance=chances)
    def open(self, chance: Random) -> None:
        """Two accounts with fees; one has a schedule of its own from the beginning, the other a reserve."""
        for account in ACCOUNTS:
            self._do(open_account(self.database, account, fee_basis_points=chance.choice((0, 290, 525))))
        self._do(self.people.set_schedule(ACCOUNTS[0], chance.choice(SCHEDULES)))
        self._do(self.people.set_reserve(ACCOUNTS[1], 3_333, 1))
        for _ in range(4):
            self.take_payment(chance)
        self.tell(chance)

    @rule(chance=chances)
    def take_payment(self, chance: Random) -> None:
        """Make a payment with parts for partners or without; its gateway will tell of it, sooner or later."""
        account, currency = chance.choice(ACCOUNTS), chance.choice(CURRENCIES)
        name, amount = self._do(self.people.take_payment(account, currency, chance))
        self.untold += history(name, account, currency, amount, self.now, chance)

    @precondition(lambda self: self.untold)
    @rule(chance=chances)
    def tell(self, chance: Random) -> None:
        """Have some callbacks come in: late, in any order, and some that were told before again."""
        size = chance.randint(1, len(self.untold))
        chance.shuffle(self.untold)
        fresh, self.untold = self.untold[:size], self.untold[size:]
        known = [fact for facts in self.told.values() for fact in facts]
        batch = fresh + chance.sample(known, min(len(known), chance.randint(0, 3)))
        chance.shuffle(batch)
        self._tell(batch)

    @rule(size=st.integers(min_value=1, max_value=40), is_killed=st.booleans())
    def relay(self, size: int, is_killed: bool) -> None:
        """Publish some of the outbox; a relay that is killed after that publishes the same once more."""
        self._do(self._relay(size, is_killed=is_killed))

    @rule(what=jobs, size=st.integers(min_value=1, max_value=30), chance=chances, dies_after=deaths)
    def work(self, what: str, size: int, chance: Random, dies_after: int | None) -> None:
        """Let the settle process do something, and perhaps die in it."""
        self._do(self.settle.work(what, size, chance, dies_after))

    @rule(pause=st.sampled_from(PAUSES), chance=chances, dies_after=deaths)
    def live_on(self, pause: timedelta, chance: Random, dies_after: int | None) -> None:
        """Let some callbacks come in and be counted, time pass, and windows close, perhaps with a death."""
        if self.untold:
            self.tell(chance)
        self._do(self._relay(100, is_killed=False))
        for what in (COUNTING, SHOWING):
            self._do(self.settle.work(what, 100, chance, None))
        self.wait(pause)
        self._do(self.settle.work("close", 1, chance, dies_after))

    @rule(chance=chances)
    def kill(self, chance: Random) -> None:
        """Kill the settle process between two things that it does."""
        self._do(self.settle.restart(chance))

    @rule(pause=st.sampled_from(PAUSES))
    def wait(self, pause: timedelta) -> None:
        """Let time pass."""
        self.now += pause
        self._do(self.settle.read_schedules())

    @rule(choice=choices, who=st.sampled_from(PEOPLE), what=st.sampled_from(("approve", "execute", "complete", "fail")))
    def handle(self, choice: int, who: str, what: str) -> None:
        """Have a person do something with a batch; what is not allowed is refused and changes nothing."""
        batches = self._do(self.people.batches(at_their_end=True))
        if batches:
            with suppress(OperationNotAllowed):
                self._do(self.people.handle(batches[choice % len(batches)], who, what))

    @rule(choice=choices, what=st.sampled_from(("execute", "complete", "complete", "fail")))
    def pay(self, choice: int, what: str) -> None:
        """Have a batch approved by as many people as it takes, and executed or given up."""
        batches = self._do(self.people.batches(at_their_end=False))
        if batches:
            self._do(self.people.pay(batches[choice % len(batches)], what))

    @rule(choice=choices)
    def close_from_everywhere(self, choice: int) -> None:
        """Close windows from two processes while a person gives a batch up."""
        batches = self._do(self.people.batches(at_their_end=False))

        async def at_once() -> list[Any]:
            work: list[Coroutine[Any, Any, Any]] = [close_windows(self.database, RULES, self.now) for _ in range(2)]
            if batches:
                work.append(self.people.handle(batches[choice % len(batches)], "cid", "fail"))
            return await asyncio.gather(*work, return_exceptions=True)

        unforeseen = [one for one in self._do(at_once()) if isinstance(one, Exception)]
        assert not unforeseen, unforeseen

    @rule(chance=chances)
    def change_rules(self, chance: Random) -> None:
        """Have somebody change a rule of an account."""
        account, currency = chance.choice(ACCOUNTS), chance.choice(CURRENCIES)
        changes = (
            lambda: self.people.set_schedule(account, chance.choice(SCHEDULES)),
            lambda: self.people.set_fees(account, currency, chance),
            lambda: self.people.set_reserve(account, chance.choice((0, 500, 3_333)), chance.choice((1, 3))),
            lambda: self.people.set_thresholds(account, currency, chance),
        )
        self._do(chance.choice(changes)())

    @invariant()
    def the_books_hold(self) -> None:
        """Look at them now and then: it takes as long as a few steps."""
        self.steps += 1
        if self.steps % CHECK_EVERY_STEPS == 0:
            self._do(check_books(self.database, self.told))

    def teardown(self) -> None:
        """Tell and close everything, pay everybody, and compare it all."""
        try:
            if self.told:
                self._do(self._come_to_rest())
        finally:
            self._do(self.settles_database.close())
            self._do(self.database.close())
            self._do(drop_database_async(self.bench.server_url, self._name))

    async def _come_to_rest(self) -> None:
        chance = Random(0)  # noqa: S311 - an order of work, not a secret
        await self._apply(self.untold)
        for account in ACCOUNTS:
            await self.people.set_reserve(account, 0, 1)
            for currency in CURRENCIES:
                await self.people.set_thresholds(account, currency, None)
        # Who owes more than its reserve is not given the reserve: it has to earn first.
        await self._pay_everybody(chance, with_reserve=False)
        for name, account, currency, amount in await self.people.bring_in_what_is_owed_to_us():
            await self._apply(history(name, account, currency, amount, self.now, None))
        await self._pay_everybody(chance, with_reserve=True)
        await check_books(self.database, self.told)
        await check_everything_is_paid(self.database)
        await self._relay(1_000, is_killed=False)
        report = await audit_database(self.database)
        broken = [check for check in report.checks if not check.holds]
        assert not broken, [(check.name, check.violations[:3]) for check in broken]
        counted = await self._counted()
        assert self.settle.published() == counted
        assert self.settle.logged() == counted

    async def _pay_everybody(self, chance: Random, *, with_reserve: bool) -> None:
        """Publish, count, close and pay until there is nothing left to do: at last the reserve is released."""
        left = [
            "select from settlement_windows where closed_at is null",
            "select from payout_batches where status not in ('completed', 'failed')",
        ]
        if with_reserve:
            left.append("select from reserve_holds where released_batch_id is null and voided_at is null")
        is_at_rest = "select " + " and ".join(f"not exists ({query})" for query in left)
        for _ in range(LAST_ROUNDS):
            await self._relay(1_000, is_killed=False)
            await self.settle.finish(chance)
            await close_windows(self.database, RULES, self.now)
            for batch in await self.people.batches(at_their_end=False):
                await self.people.pay(batch, "complete")
            if await rows(self.database, is_at_rest) == [(True,)]:
                return
            self.now += timedelta(days=9)
            await self.settle.read_schedules()
        pytest.fail(f"settlement did not come to rest in {LAST_ROUNDS} rounds")

    async def _apply(self, facts: list[Fact]) -> None:
        await apply_events(self.database, received(*facts), self.now)
        for fact in facts:
            name = fact.provider_reference.removeprefix("pi_")
            if fact not in self.told[name]:
                self.told[name].append(fact)

    async def _relay(self, size: int, *, is_killed: bool) -> None:
        while True:
            async with self.database.transaction() as transaction:
                planned = await transaction.outbox.plan(range(SHARDS), size)
            self.settle.broker.publish(planned)
            if is_killed or not planned:
                return
            async with self.database.transaction() as transaction:
                await transaction.outbox.finish(planned)

    async def _counted(self) -> dict[str, WindowTotals]:
        """The totals of PostgreSQL's windows that have entries, by the keys of the windows topic."""
        async with self.database.transaction() as transaction:
            pages = [
                page async for page in transaction.settlement.windows_changed(datetime.min.replace(tzinfo=NOW.tzinfo))
            ]
        found = [row for page in pages for row, _ in page if row.totals.entry_count]
        return {window_key(row.recipient, row.window.start): row.totals for row in found}

    def _tell(self, facts: list[Fact]) -> None:
        self._do(self._apply(facts))

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.bench.loop.run_until_complete(work)


@pytest.fixture
def bench(stack: Stack) -> Iterator[Bench]:
    """A migrated, empty database to copy."""
    template = f"paystream_template_{secrets.token_hex(6)}"
    # The rules are synchronous, so they drive a loop of their own. It is not set as the current one: that is pytest's.
    loop = asyncio.new_event_loop()
    with closing(loop):
        loop.run_until_complete(create_database_async(stack.database_url, template))
        loop.run_until_complete(migrate(database_url(stack.database_url, template)))
        yield Bench(stack.database_url, template, loop)
        loop.run_until_complete(drop_database_async(stack.database_url, template))


@pytest.mark.timeout(3_000)
def test_every_entry_is_paid_once_whatever_happens(bench: Bench) -> None:
    limits = settings(max_examples=RUNS, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    machine = type("SettlementMachineHere", (SettlementMachine,), {"bench": bench})
    run_state_machine_as_test(machine, settings=limits)
