"""Run a command in three phases, so that no gateway is ever called inside a transaction.

1. Record the intent and check the operation; commit.
2. Call the gateway with the command id as idempotency key.
3. Write the outcome as facts, and the command's result; commit.

A crash between the phases replays safely: the command is found unfinished and the gateway sees the same key again. A
timeout leaves the command `unknown` and the payment due for a status fetch; it is never taken for a failure.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.base import Registration
from connectors.registry import get_registration
from domain.errors import (
    CapabilityMissing,
    CommandConflict,
    GatewayDeclined,
    GatewayRejected,
    GatewayUnavailable,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    PaystreamError,
    Refused,
    VerificationFailed,
)
from services.commands.handlers import HANDLERS
from services.commands.prepared import Handler, Prepared
from services.gateway_calls import call_gateway
from services.gateways import ConnectorSource
from services.messages import command_result
from services.reconcile.schedule import repeatable_for
from storage.commands import CommandRow, CommandState
from storage.payments import PaymentRecord
from storage.unit_of_work import Database, Transaction
from topics.commands import Command, CommandResult, NewPayment, PaymentCommandBase
from topics.unreadable_commands import CommandIdentity

FIRST_SYNC_AFTER = timedelta(seconds=5)
UNREADABLE_ACTOR = "upstream"
"""Who is said to have sent a command that could not be read; what it claims is not believed."""

REPEATABLE = frozenset({"create_payment", "create_order", "sync", "complete", "verify_redirect", "cancel_payment_link"})
"""Kinds without a second effect at any gateway: they read, or their Protocol demands that a key means one thing."""

DEFINITE = (GatewayDeclined, GatewayRejected, VerificationFailed, CapabilityMissing, NotFound)
"""Errors of phase two after which the command has certainly failed."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a gateway answered, whatever its type."""

    value: object


class CommandRunner:
    """Runs commands; one instance per process."""

    def __init__(
        self,
        database: Database,
        gateways: ConnectorSource,
        clock: Callable[[], datetime],
        look_up: Callable[[str], Registration] = get_registration,
    ) -> None:
        self._look_up = look_up
        self._database = database
        self._gateways = gateways
        self._clock = clock
        self._never_called: set[str] = set()
        """Commands that were started here and whose gateway was certainly not reached by any attempt."""

    async def run(self, command: Command) -> CommandResult:
        """Carry a command to its result. Safe to call again with the same command, also after a crash.

        Raises GatewayUnavailable when the gateway certainly did nothing and the command may be tried again as it is.
        """
        prepared = await self._prepare(command)
        if isinstance(prepared, CommandResult):
            return prepared
        outcome: _Answer | PaystreamError
        never_called = command.command_id in self._never_called
        self._never_called.discard(command.command_id)
        if not never_called and not self._may_be_repeated(command, prepared, self._clock()):
            # A process died between the call and its record. What became of it is read back, not tried again.
            unknown = OutcomeUnknown(f"{command.kind} was begun before, and {prepared.gateway} cannot repeat it safely")
            return await self._finish(command, prepared, unknown)
        try:
            if prepared.call is None:
                raise CommandConflict(f"{command.kind} has nothing to ask of {prepared.gateway}")
            outcome = _Answer(await call_gateway(self._gateways, command.account, prepared.gateway, prepared.call))
        except GatewayUnavailable:
            if never_called:
                self._never_called.add(command.command_id)
            raise
        except (OutcomeUnknown, InvalidInput, *DEFINITE) as error:
            outcome = _Answer(None) if prepared.optional else error
        return await self._finish(command, prepared, outcome)

    def _may_be_repeated(self, command: Command, prepared: Prepared, now: datetime) -> bool:
        """Whether a call that may have been made before has no second effect when it is made again."""
        age = now - (prepared.started_at or now)
        return command.kind in REPEATABLE or age < repeatable_for(self._look_up(prepared.gateway))

    async def gateway_of(self, command: Command) -> str:
        """The gateway a command is for; empty when nobody knows the payment."""
        gateway = getattr(command, "gateway", None)
        if isinstance(gateway, str):
            return gateway
        if not isinstance(command, PaymentCommandBase):
            return ""
        async with self._database.transaction() as transaction:
            payment = await transaction.payments.get(command.payment_id)
        return "" if payment is None else payment.terms.gateway

    async def give_up(self, command: Command, error: GatewayUnavailable) -> CommandResult:
        """Finish a command whose gateway stayed unreachable.

        It has failed when nothing was done: a new command may try again. When an earlier attempt, perhaps of a process
        that died, may have reached the gateway, the outcome is unknown: a new command could move the money twice.
        """
        prepared = await self._prepare(command)
        if isinstance(prepared, CommandResult):
            return prepared
        never_called = command.command_id in self._never_called
        self._never_called.discard(command.command_id)
        outcome = error if never_called else OutcomeUnknown(f"{error.message}; an earlier attempt may have had effect")
        return await self._finish(command, prepared, outcome)

    async def refuse_unreadable(self, identity: CommandIdentity, error: InvalidInput) -> CommandResult:
        """Answer a command that nobody could read as one, and keep the answer; its content is not kept."""
        now = self._clock()
        result = _unreadable_result(identity, now).model_copy(update=_failure("refused", error))
        row = CommandRow(
            id=identity.command_id,
            account=identity.account,
            subject_id=identity.subject_id,
            actor=UNREADABLE_ACTOR,
            kind=identity.kind,
            digest=identity.digest,
            state="started",
            amount_minor=None,
            result=None,
        )
        async with self._database.transaction(UNREADABLE_ACTOR, identity.command_id) as transaction:
            if await transaction.commands.start(row, "{}", now):
                return await self._record(transaction, identity.command_id, result, now)
            known = await transaction.commands.lock(identity.command_id)
        if known is None or known.digest != identity.digest or known.result is None:
            return result.model_copy(update=_failure("refused", conflict(identity.command_id)))
        return CommandResult.model_validate(known.result)

    async def settle_unknown(self, command: Command, outcome: object | PaystreamError) -> CommandResult:
        """Finish a command of unknown outcome by what reconciliation found: an answer, or the error it came to."""
        async with self._database.transaction(command.actor, command.command_id) as transaction:
            known = await transaction.commands.lock(command.command_id)
            if known is None:
                raise NotFound(f"there is no command {command.command_id!r}", field="command_id")
            if known.state == "finished":
                return CommandResult.model_validate(known.result)
            prepared = await HANDLERS[command.kind].resume(transaction, command, known)
        found = outcome if isinstance(outcome, PaystreamError) else _Answer(outcome)
        return await self._finish(command, prepared, found)

    async def _prepare(self, command: Command) -> Prepared | CommandResult:
        now = self._clock()
        async with self._database.transaction(command.actor, command.command_id) as transaction:
            row = _row(command)
            is_new = await transaction.commands.start(row, command.model_dump_json(), now)
            known = row if is_new else await transaction.commands.lock(command.command_id)
            if known is None or known.digest != row.digest:
                # Told to whoever calls, and not published: the id's result on the topic is the first command's, and
                # a refusal beside it could be taken for that command's own.
                return refusal(command, conflict(command.command_id), now)
            if known.result is not None:
                return CommandResult.model_validate(known.result)
            handler = HANDLERS[command.kind]
            if not is_new:
                resumed = await handler.resume(transaction, command, known)
                return replace(resumed, started_at=known.started_at)
            prepared = await self._prepare_new(transaction, handler, command, now)
        if isinstance(prepared, Prepared):
            self._never_called.add(command.command_id)
        return prepared

    async def _prepare_new(
        self, transaction: Transaction, handler: Handler, command: Command, now: datetime
    ) -> Prepared | CommandResult:
        try:
            async with transaction.connection.begin_nested():
                prepared = await handler.prepare(transaction, command, now)
        except PaystreamError as error:
            return await self._record(transaction, command.command_id, refusal(command, error, now), now)
        if prepared.call is not None:
            return prepared
        payment = await _read_again(transaction, prepared)
        return await self._record(transaction, command.command_id, _result(command, prepared, payment, now), now)

    async def _finish(self, command: Command, prepared: Prepared, outcome: _Answer | PaystreamError) -> CommandResult:
        now = self._clock()
        async with self._database.transaction(command.actor, command.command_id) as transaction:
            # The command before the payment, as everywhere: a repeat that runs at the same time waits instead of
            # deadlocking.
            await transaction.commands.lock(command.command_id)
            extra: Mapping[str, object] = {}
            if isinstance(outcome, _Answer):
                try:
                    async with transaction.connection.begin_nested():
                        shown = await HANDLERS[command.kind].take_in(transaction, prepared, outcome.value, now)
                    extra = {"client_parameters": {**prepared.details, **shown}}
                except Refused as error:
                    extra = _failure("failed", error)
            elif isinstance(outcome, OutcomeUnknown):
                if prepared.payment is not None:
                    await transaction.payments.plan_sync(prepared.payment.id, now + FIRST_SYNC_AFTER)
                extra = _failure("unknown", outcome)
            else:
                extra = _failure("failed", outcome)
            payment = await _read_again(transaction, prepared)
            if command.kind == "refund" and payment is not None and payment.state.totals.refund_pending:
                # Not every gateway calls back when a refund has come to its end.
                await transaction.payments.plan_sync(payment.id, now + FIRST_SYNC_AFTER)
            result = _result(command, prepared, payment, now).model_copy(update=extra)
            return await self._record(transaction, command.command_id, result, now)

    async def _record(
        self, transaction: Transaction, command_id: str, result: CommandResult, now: datetime
    ) -> CommandResult:
        """Store and publish the result, unless somebody else has finished the command meanwhile."""
        state: CommandState = "unknown" if result.outcome == "unknown" else "finished"
        if not await transaction.commands.finish(command_id, state, result.model_dump_json(), now):
            known = await transaction.commands.lock(command_id)
            return CommandResult.model_validate(known.result) if known is not None else result
        await transaction.outbox.add([command_result(result)])
        return result


def content_digest(command: Command) -> str:
    """Digest of everything a command asks for; when it was asked does not count."""
    return hashlib.sha256(command.model_dump_json(exclude={"requested_at"}).encode()).hexdigest()


def conflict(command_id: str) -> CommandConflict:
    """The error of a command whose id is another command's."""
    return CommandConflict(f"command {command_id!r} was used before with other content", field="command_id")


def refusal(command: Command, error: PaystreamError, now: datetime) -> CommandResult:
    """The result of a command that was not carried out."""
    return _bare_result(command, now).model_copy(update=_failure("refused", error))


def _row(command: Command) -> CommandRow:
    return CommandRow(
        id=command.command_id,
        account=command.account,
        subject_id=command.subject_id,
        actor=command.actor,
        kind=command.kind,
        digest=content_digest(command),
        state="started",
        amount_minor=None,
        result=None,
    )


def _bare_result(command: Command, now: datetime) -> CommandResult:
    return CommandResult(
        command_id=command.command_id,
        subject_id=command.subject_id,
        payment_id=command.payment_id if isinstance(command, PaymentCommandBase) else None,
        account=command.account,
        kind=command.kind,
        outcome="succeeded",
        completed_at=now,
    )


def _unreadable_result(identity: CommandIdentity, now: datetime) -> CommandResult:
    return CommandResult(
        command_id=identity.command_id,
        subject_id=identity.subject_id,
        payment_id=identity.payment_id,
        account=identity.account,
        kind=identity.kind,
        outcome="refused",
        completed_at=now,
    )


def _result(command: Command, prepared: Prepared, payment: PaymentRecord | None, now: datetime) -> CommandResult:
    currency = command.currency if isinstance(command, NewPayment) else None
    return _bare_result(command, now).model_copy(
        update={
            "status": None if payment is None else payment.status,
            "provider_reference": None if payment is None else payment.provider_reference,
            "amount_minor": prepared.amount_minor,
            "currency": currency if payment is None else payment.terms.currency,
            "client_parameters": dict(prepared.details),
        }
    )


def _failure(outcome: str, error: PaystreamError) -> dict[str, object]:
    return {"outcome": outcome, "code": error.code, "message": error.message, "field": error.field}


async def _read_again(transaction: Transaction, prepared: Prepared) -> PaymentRecord | None:
    if prepared.payment is None:
        return None
    return await transaction.payments.get(prepared.payment.id)
