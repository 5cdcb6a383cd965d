"""Reconciliation beside the worker's streams: what is due, what has been quiet, what nobody knows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

import structlog

from agents.metrics import CASES_OPENED, COMMANDS_SETTLED, MISSING_WEBHOOKS, ORPHAN_SEARCHES, RECONCILE_FAILURES
from agents.periodic import periodically
from agents.retry_policy import is_transient
from agents.runtime import Runtime
from services.reconcile.adoption import Adopter
from services.reconcile.cases import close_settled_cases
from services.reconcile.reconciler import Found, Reconciler, Work
from services.reconcile.rules import ReconcileRules
from storage.orphans import OrphanSearch

_Item = TypeVar("_Item")

_log = structlog.get_logger(__name__)


class ReconcileAgent:
    """Runs rounds. What goes wrong with one payment is counted against that payment and leaves the others alone."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._slots = asyncio.Semaphore(runtime.settings.reconcile.concurrency)

    async def settle_due(self) -> None:
        """Read due payments back and settle due commands."""
        await self._each(await self._reconciler.claim(), self._carry_out, self._put_off)

    async def adopt(self) -> None:
        """Search for the payments of orphaned facts."""
        await self._each(await self._adopter.claim(), self._search, self._put_search_off)

    async def sweep(self) -> None:
        """Make quiet payments due, and close the cases that settled themselves."""
        quiet = await self._reconciler.mark_quiet()
        closed = await close_settled_cases(self._runtime.database, self._runtime.clock())
        if quiet or closed:
            _log.info("swept", quiet_payments=quiet, closed_cases=closed)

    async def _carry_out(self, work: Work) -> None:
        _note(await self._reconciler.carry_out(work))

    async def _put_off(self, work: Work, error: Exception) -> None:
        RECONCILE_FAILURES.labels(work="payment").inc()
        ids = [command.id for command in work.commands]
        _log.error("not reconciled", payment_id=work.payment_id, command_ids=ids, exc_info=error)
        _note(await self._reconciler.put_off(work, _in_words(error)))

    async def _search(self, search: OrphanSearch) -> None:
        _note_search(await self._adopter.search(search), search)

    async def _put_search_off(self, search: OrphanSearch, error: Exception) -> None:
        RECONCILE_FAILURES.labels(work="orphan").inc()
        _log.error("not searched", gateway=search.gateway, reference=search.reference, exc_info=error)
        _note_search(await self._adopter.put_off(search, _in_words(error)), search)

    async def _each(
        self,
        items: Sequence[_Item],
        work: Callable[[_Item], Awaitable[None]],
        put_off: Callable[[_Item, Exception], Awaitable[None]],
    ) -> None:
        async def one(item: _Item) -> None:
            async with self._slots:
                try:
                    await work(item)
                except Exception as error:
                    if is_transient(error):
                        raise
                    await put_off(item, error)

        outcomes = await asyncio.gather(*map(one, items), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    @cached_property
    def _reconciler(self) -> Reconciler:
        runtime = self._runtime
        return Reconciler(runtime.database, runtime.gateways, runtime.clock, self._rules)

    @cached_property
    def _adopter(self) -> Adopter:
        runtime = self._runtime
        return Adopter(runtime.database, runtime.gateways, runtime.clock, self._rules)

    @property
    def _rules(self) -> ReconcileRules:
        settings = self._runtime.settings.reconcile
        return ReconcileRules(timedelta(seconds=settings.quiet_after_seconds), settings.batch_size)


def add_reconciliation(app: Any, runtime: Runtime) -> None:
    """Make Faust tasks of the rounds."""
    agent = ReconcileAgent(runtime)
    settings = runtime.settings.reconcile
    periodically(app, "reconcile", settings.interval_seconds, agent.settle_due)
    periodically(app, "reconcile-sweep", settings.quiet_interval_seconds, agent.sweep)
    periodically(app, "adopt", settings.adoption_interval_seconds, agent.adopt)


def _note(found: Found) -> None:
    for result in found.settled:
        COMMANDS_SETTLED.labels(kind=result.kind, outcome=result.outcome).inc()
    for gateway, kind in found.missed:
        MISSING_WEBHOOKS.labels(gateway=gateway, kind=kind).inc()
    for kind in found.cases:
        CASES_OPENED.labels(kind=kind).inc()
        _log.warning("a case for a person", kind=kind)


def _note_search(verdict: str, search: OrphanSearch) -> None:
    ORPHAN_SEARCHES.labels(verdict=verdict).inc()
    if verdict == "case":
        CASES_OPENED.labels(kind="orphan_not_adopted").inc()
    _log.info("searched", verdict=verdict, gateway=search.gateway, reference=search.reference)


def _in_words(error: Exception) -> str:
    """The kind of error alone: its text may hold anything."""
    return f"looking at it failed ({type(error).__name__}); the worker's log says where"
