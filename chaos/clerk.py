"""The person whom open cases are for: looks at the gateway's dashboard and decides."""

import uuid
from collections.abc import Callable, Sequence

from sqlalchemy import text

from bootstrap.clock import system_clock
from chaos.shops.base import Truth
from chaos.stories import Lived
from services.reconcile.cases import CaseDesk, Outcome
from storage.unit_of_work import Database

NAME = "clerk"

_OPEN = text(
    "select reconciliation.id, command.id as command_id, command.kind, command.subject_id, command.amount_minor"
    " from reconciliation_cases reconciliation join commands command on command.id = reconciliation.command_id"
    " where reconciliation.resolved_at is null and reconciliation.kind = 'command_unknown'"
    " and command.state = 'unknown' order by command.started_at"
)


class Clerk:
    """Decides cases of commands whose outcome the machine cannot know, as at gateways without idempotency keys."""

    def __init__(self, database: Database, lived: Callable[[], Sequence[Lived]]) -> None:
        self._database = database
        self._lived = lived
        self._desk = CaseDesk(database, system_clock)
        self.decided = 0

    async def work(self) -> None:
        """Decide every open case. Raises SQLAlchemyError or OSError when the database does not answer."""
        async with self._database.transaction() as transaction:
            cases = (await transaction.connection.execute(_OPEN)).all()
        by_payment = {one.payment_id: one for one in self._lived()}
        for case in cases:
            one = by_payment[case.subject_id]
            # An order that nobody was told the name of is not paid, and never will be.
            found: Outcome = "failed"
            if one.order is not None:
                found = what_happened(case.kind, case.amount_minor or 0, one, await one.shop.truth(one.order))
            await self._decide(case.id, found)

    async def _decide(self, case_id: uuid.UUID, outcome: Outcome) -> None:
        await self._desk.resolve(case_id, by=NAME, resolution="as the dashboard shows", outcome=outcome)
        self.decided += 1


def what_happened(kind: str, amount_minor: int, one: Lived, truth: Truth) -> Outcome:
    """Say whether the gateway's books show a movement that no other command explains."""
    if kind != "refund":
        return "succeeded" if truth.captures else "failed"
    refunds = (result for result in one.results.values() if result.kind == "refund" and result.outcome == "succeeded")
    explained = one.dashboard_refund_minor + sum(result.amount_minor or 0 for result in refunds)
    return "succeeded" if truth.refunded_minor - explained >= amount_minor else "failed"
