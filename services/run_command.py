"""Run a payment command in three phases, so that no gateway is ever called inside a transaction.

1. Record the intent and check the operation; commit.
2. Call the gateway with the command id as idempotency key.
3. Write the outcome as facts, and the command's result; commit.

A crash between the phases replays safely: the command is found unfinished and the gateway sees the same key again. A
timeout leaves the command `unknown` and the payment due for a status fetch; it is never taken for a failure.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import GatewayAnswer
from domain.errors import (
    CommandConflict,
    GatewayDeclined,
    GatewayRejected,
    GatewayUnavailable,
    NotFound,
    OutcomeUnknown,
    PaystreamError,
)
from domain.operations import Operation, capture_amount, check_operation, refund_amount
from services.apply_events import ReceivedFact, apply_facts, apply_orphans
from services.create_payment import create_payment
from services.gateway_calls import GatewayCall, call_gateway, check_capability, check_partial
from services.gateways import ConnectorSource
from services.messages import command_result
from storage.commands import CommandRow, CommandState
from storage.payments import PaymentRecord
from storage.unit_of_work import Database, Transaction
from topics.commands import CapturePayment, Command, CommandResult, CreatePayment, RefundPayment

FIRST_SYNC_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Intent:
    """Phase one's outcome: the payment and what to ask its gateway for."""

    payment: PaymentRecord
    call: GatewayCall


class CommandRunner:
    """Runs commands; one instance per process."""

    def __init__(self, database: Database, gateways: ConnectorSource, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._gateways = gateways
        self._clock = clock

    async def run(self, command: Command) -> CommandResult:
        """Carry a command to its result. Safe to call again with the same command, also after a crash.

        Raises GatewayUnavailable when the gateway certainly did nothing and the command may be tried again as it is.
        """
        intent = await self._record_intent(command)
        if isinstance(intent, CommandResult):
            return intent
        try:
            connector = await self._gateways.connector(command.account, intent.payment.terms.gateway)
            answer = await call_gateway(connector, intent.call)
        except OutcomeUnknown as error:
            return await self._finish(command, intent, error)
        except (GatewayDeclined, GatewayRejected, NotFound) as error:
            return await self._finish(command, intent, error)
        return await self._finish(command, intent, answer)

    async def gateway_of(self, command: Command) -> str:
        """The gateway a command is for; empty when nobody knows the payment."""
        if isinstance(command, CreatePayment):
            return command.gateway
        async with self._database.transaction() as transaction:
            payment = await transaction.payments.get(command.payment_id)
        return "" if payment is None else payment.terms.gateway

    async def give_up(self, command: Command, error: GatewayUnavailable) -> CommandResult:
        """Fail a command whose gateway stayed unreachable: nothing was done, a new command may try again."""
        intent = await self._record_intent(command)
        return intent if isinstance(intent, CommandResult) else await self._finish(command, intent, error)

    async def _record_intent(self, command: Command) -> _Intent | CommandResult:
        now = self._clock()
        async with self._database.transaction() as transaction:
            digest = content_digest(command)
            row = CommandRow(
                id=command.command_id,
                account=command.account,
                payment_id=command.payment_id,
                kind=command.kind,
                digest=digest,
                state="started",
                amount_minor=None,
                result=None,
            )
            is_new = await transaction.commands.start(row, command.model_dump_json(), now)
            known = row if is_new else await transaction.commands.lock(command.command_id)
            if known is None or known.digest != digest:
                conflict = CommandConflict(f"command {command.command_id!r} was used before with other content")
                return await self._publish(transaction, refusal(command, conflict, now))
            if known.result is not None:
                return CommandResult.model_validate(known.result)
            if not is_new:
                return await self._resume(transaction, command, known)
            try:
                async with transaction.connection.begin_nested():
                    return await self._check(transaction, command)
            except PaystreamError as error:
                result = refusal(command, error, now)
                await transaction.commands.finish(command.command_id, "finished", result.model_dump_json(), now)
                return await self._publish(transaction, result)

    async def _check(self, transaction: Transaction, command: Command) -> _Intent:
        if isinstance(command, CreatePayment):
            check_capability(command.gateway, command)
            return _Intent(await create_payment(transaction, command, self._clock()), GatewayCall.create(command))
        payment = await _own_payment(transaction, command)
        check_capability(payment.terms.gateway, command)
        check_operation(Operation(command.kind), payment.status)
        amount_minor = await _amount(transaction, command, payment)
        if amount_minor is not None:
            check_partial(payment.terms.gateway, command, payment, amount_minor)
            await transaction.commands.reserve(command.command_id, amount_minor)
        return _Intent(payment, GatewayCall.follow_up(command, payment, amount_minor))

    async def _resume(self, transaction: Transaction, command: Command, known: CommandRow) -> _Intent:
        """Take up a command that was recorded and not finished: the checks were passed, only the outcome is missing."""
        payment = await _own_payment(transaction, command)
        if isinstance(command, CreatePayment):
            return _Intent(payment, GatewayCall.create(command))
        return _Intent(payment, GatewayCall.follow_up(command, payment, known.amount_minor))

    async def _finish(
        self, command: Command, intent: _Intent, outcome: GatewayAnswer | PaystreamError
    ) -> CommandResult:
        now = self._clock()
        async with self._database.transaction() as transaction:
            if isinstance(outcome, GatewayAnswer):
                await _take_in(transaction, intent.payment, outcome, now)
            elif isinstance(outcome, OutcomeUnknown):
                await transaction.payments.plan_sync(intent.payment.id, now + FIRST_SYNC_AFTER)
            payment = await transaction.payments.get(intent.payment.id)
            result = _result(command, payment or intent.payment, intent.call, outcome, now)
            state: CommandState = "unknown" if result.outcome == "unknown" else "finished"
            if not await transaction.commands.finish(command.command_id, state, result.model_dump_json(), now):
                known = await transaction.commands.lock(command.command_id)
                return CommandResult.model_validate(known.result) if known is not None else result
            return await self._publish(transaction, result)

    @staticmethod
    async def _publish(transaction: Transaction, result: CommandResult) -> CommandResult:
        await transaction.outbox.add([command_result(result)])
        return result


def content_digest(command: Command) -> str:
    """Digest of everything a command asks for; when it was asked does not count."""
    return hashlib.sha256(command.model_dump_json(exclude={"requested_at"}).encode()).hexdigest()


def refusal(command: Command, error: PaystreamError, now: datetime) -> CommandResult:
    """The result of a command that was not carried out."""
    return CommandResult(
        command_id=command.command_id,
        payment_id=command.payment_id,
        account=command.account,
        kind=command.kind,
        outcome="refused",
        code=error.code,
        message=error.message,
        field=error.field,
        completed_at=now,
    )


async def _own_payment(transaction: Transaction, command: Command) -> PaymentRecord:
    payment = (await transaction.payments.lock({command.payment_id})).get(command.payment_id)
    if payment is None or payment.terms.account != command.account:
        raise NotFound(f"account {command.account!r} has no payment {command.payment_id!r}", field="payment_id")
    return payment


async def _amount(transaction: Transaction, command: Command, payment: PaymentRecord) -> int | None:
    if isinstance(command, CapturePayment):
        return capture_amount(payment.state, payment.terms, command.amount_minor)
    if isinstance(command, RefundPayment):
        reserved = await transaction.commands.reserved_refunds(payment.id, command.command_id)
        return refund_amount(payment.state, reserved, command.amount_minor)
    return None


async def _take_in(transaction: Transaction, payment: PaymentRecord, answer: GatewayAnswer, now: datetime) -> None:
    """Name the payment, apply what waited for that name, then apply the answer's own facts."""
    terms = payment.terms
    reference = (terms.gateway, terms.account, answer.provider_reference)
    await transaction.payments.lock_references([reference])
    await transaction.payments.add_references([(reference, payment.id)])
    await transaction.payments.set_provider_reference(payment.id, answer.provider_reference)
    await apply_orphans(transaction, payment.id, [reference], now)
    if answer.facts:
        await apply_facts(transaction, [ReceivedFact(fact=fact) for fact in answer.facts], now)


def _result(
    command: Command,
    payment: PaymentRecord,
    call: GatewayCall,
    outcome: GatewayAnswer | PaystreamError,
    now: datetime,
) -> CommandResult:
    common = CommandResult(
        command_id=command.command_id,
        payment_id=command.payment_id,
        account=command.account,
        kind=command.kind,
        outcome="succeeded",
        status=payment.status,
        provider_reference=payment.provider_reference,
        amount_minor=call.amount_minor,
        currency=payment.terms.currency,
        completed_at=now,
    )
    if isinstance(outcome, GatewayAnswer):
        return common.model_copy(update={"client_parameters": dict(outcome.client_parameters)})
    kind = "unknown" if isinstance(outcome, OutcomeUnknown) else "failed"
    return common.model_copy(update={"outcome": kind, "code": outcome.code, "message": outcome.message})
