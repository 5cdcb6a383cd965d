"""Open cases for people, and take in what they decide."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from connectors.base import GatewayAnswer
from domain.errors import GatewayRejected, InvalidInput, InvariantViolated, NotFound, OperationNotAllowed
from services.commands.runner import CommandRunner
from services.gateways import ConnectorSource
from services.reconcile.notices import case_opened, case_resolved
from services.reconcile.open_commands import read_command
from storage.cases import Case, CaseKind
from storage.unit_of_work import Database, Transaction
from topics.commands import Command
from topics.safe_text import SafeReference, SafeText

ACTOR = "agent:reconcile"
"""Who reconciliation is in the audit log."""

Outcome = Literal["succeeded", "failed"]

NEEDS_TOKENS = frozenset({"setup_mandate", "save_payment_method", "create_payment_link"})
"""Kinds whose success is worth nothing without what the gateway answered."""

_NAME: TypeAdapter[str] = TypeAdapter(SafeReference)
_TEXT: TypeAdapter[str] = TypeAdapter(SafeText)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a case is about."""

    account: str
    payment_id: str | None = None
    command_id: str | None = None
    gateway: str | None = None
    reference: str | None = None


async def open_case(transaction: Transaction, kind: CaseKind, subject: Subject, detail: str, now: datetime) -> bool:
    """Open a case and tell of it; False when the same one is open already."""
    case = Case(
        id=uuid.uuid4(),
        account=subject.account,
        kind=kind,
        detail=detail,
        opened_at=now,
        payment_id=subject.payment_id,
        command_id=subject.command_id,
        gateway=subject.gateway,
        reference=subject.reference,
    )
    if not await transaction.cases.open(case):
        return False
    await transaction.outbox.add([case_opened(case)])
    return True


async def close_settled_cases(database: Database, now: datetime) -> int:
    """Resolve cases that settled themselves meanwhile; returns how many."""
    async with database.transaction(ACTOR) as transaction:
        resolved = await transaction.cases.resolve_settled(by=ACTOR, now=now)
        await transaction.outbox.add([case_resolved(case) for case in resolved])
    return len(resolved)


class CaseDesk:
    """Where people resolve cases."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._runner = CommandRunner(database, _NoConnectors(), clock)

    async def resolve(self, case_id: uuid.UUID, *, by: str, resolution: str, outcome: Outcome | None = None) -> Case:
        """Close a case in a person's name.

        With an outcome, the command it is about gets that as its final result. Without one, the machine looks at the
        matter again from the beginning of its schedule, and opens a new case if it still cannot tell.
        Raises NotFound, OperationNotAllowed when it is resolved already, InvalidInput when the outcome does not fit.
        """
        by, resolution = _checked(by, resolution)
        now = self._clock()
        async with self._database.transaction(by, str(case_id)) as transaction:
            case = await transaction.cases.get(case_id)
            if case is None:
                raise NotFound(f"there is no case {case_id}")
            if case.resolved_at is not None:
                raise OperationNotAllowed(f"{case.resolved_by} has resolved the case already")
            found = None if outcome is None else await self._found(transaction, case, outcome, resolution)
            resolved = await transaction.cases.resolve(case, by=by, resolution=resolution, now=now)
            await transaction.outbox.add([case_resolved(resolved)])
            await _look_again(transaction, case, now)
        if found is not None:
            await self._runner.settle_unknown(*found)
        return resolved

    async def _found(
        self, transaction: Transaction, case: Case, outcome: Outcome, resolution: str
    ) -> tuple[Command, object]:
        known = None if case.command_id is None else await transaction.commands.get_open(case.command_id)
        if known is None:
            raise InvalidInput("only an open command can be given an outcome", field="outcome")
        command = read_command(known)
        if outcome == "failed":
            return command, GatewayRejected(f"found not to have happened: {resolution}", code="resolved_by_person")
        payment = None if known.payment_id is None else await transaction.payments.get(known.payment_id)
        if known.kind in NEEDS_TOKENS or payment is None or payment.provider_reference is None:
            raise InvalidInput(
                f"{known.kind} cannot be said to have succeeded without what the gateway answered; where the payment"
                " has a name at the gateway, send a `complete` command with it first",
                field="outcome",
            )
        return command, GatewayAnswer(provider_reference=payment.provider_reference)


class _NoConnectors(ConnectorSource):
    """A desk calls no gateway."""

    async def connector(self, account: str, gateway: str) -> object:
        """Refuse."""
        raise InvariantViolated(f"resolving a case called {gateway} for {account}")


async def _look_again(transaction: Transaction, case: Case, now: datetime) -> None:
    if case.command_id is not None:
        await transaction.commands.restart(case.command_id, now)
    elif case.payment_id is not None:
        await transaction.payments.plan_sync(case.payment_id, now)
    elif case.gateway is not None and case.reference is not None:
        await transaction.orphans.restart((case.gateway, case.account, case.reference), now)


def _checked(by: str, resolution: str) -> tuple[str, str]:
    try:
        return _NAME.validate_python(by), _TEXT.validate_python(resolution)
    except ValidationError as error:
        raise InvalidInput(error.errors(include_input=False)[0]["msg"]) from None
