"""Settle commands of unknown outcome: by what can be seen of their effect, or by asking again with the same key."""

from collections.abc import Callable
from datetime import datetime

import structlog

from connectors.base import GatewayAnswer
from connectors.registry import get_registration
from domain.errors import (
    GatewayDeclined,
    GatewayRejected,
    InvariantViolated,
    NotFound,
    OutcomeUnknown,
    VerificationFailed,
)
from services.commands.handlers import HANDLERS
from services.commands.runner import CommandRunner
from services.gateway_calls import call_gateway
from services.gateways import ConnectorSource
from services.reconcile.asking import CREDENTIALS_REFUSED, NO_ANSWER, LookUp
from services.reconcile.effects import Evidence, is_visible
from services.reconcile.schedule import repeatable_for
from storage.commands import OpenCommand
from storage.unit_of_work import Database
from topics.commands import Command, CommandResult, PaymentCommand

ALWAYS_REPEATABLE = frozenset({"sync", "complete", "verify_redirect", "cancel_payment_link"})
"""Kinds that only read, or that have no second effect at any gateway."""

BETTER_REPEATED = frozenset({"create_payment", "create_order"})
"""Kinds whose answer the customer needs: that the effect can be seen brings no client secret."""

_log = structlog.get_logger(__name__)


def read_command(command: OpenCommand) -> Command:
    """Read a stored command as what it was when it came."""
    return PaymentCommand.model_validate({"command": command.content}).command


class CommandSettler:
    """Brings open commands to their final result when that can be known."""

    def __init__(
        self,
        database: Database,
        gateways: ConnectorSource,
        clock: Callable[[], datetime],
        look_up: LookUp = get_registration,
    ) -> None:
        self._database = database
        self._gateways = gateways
        self._clock = clock
        self._look_up = look_up
        self._runner = CommandRunner(database, gateways, clock)

    async def settle(self, known: OpenCommand, *, may_call: bool) -> CommandResult | None:
        """Finish a command, or return None when nobody can tell yet.

        `may_call` is false while the gateway does not answer when the payment is read: then nothing is repeated.
        """
        command = read_command(known)
        may_repeat = await self._may_repeat(known, command)
        result = None
        if not (may_repeat and known.kind in BETTER_REPEATED):
            result = await self._settle_by_effect(known, command)
        if result is None and may_repeat and may_call:
            result = await self._repeat(command)
        if result is None and known.state == "started":
            # Whoever ran it is gone, and nobody was told anything yet.
            unknown = OutcomeUnknown("nothing is recorded of what the gateway answered")
            await self._runner.settle_unknown(command, unknown)
        return result

    async def _settle_by_effect(self, known: OpenCommand, command: Command) -> CommandResult | None:
        evidence = await self._evidence(known)
        if evidence is None or not is_visible(known, evidence):
            return None
        reference = evidence.payment.provider_reference
        if reference is None:
            return None
        return await self._runner.settle_unknown(command, GatewayAnswer(provider_reference=reference))

    async def _evidence(self, known: OpenCommand) -> Evidence | None:
        if known.payment_id is None:
            return None
        async with self._database.transaction() as transaction:
            payment = await transaction.payments.get(known.payment_id)
            if payment is None:
                return None
            return Evidence(
                payment=payment,
                recorded=await transaction.reconciliation.recorded_steps(payment.id),
                refunds=await transaction.commands.refunds_of(payment.id) if known.kind == "refund" else (),
            )

    async def _may_repeat(self, known: OpenCommand, command: Command) -> bool:
        if known.kind in ALWAYS_REPEATABLE:
            return True
        gateway = await self._runner.gateway_of(command)
        try:
            return self._clock() - known.started_at < repeatable_for(self._look_up(gateway))
        except NotFound:
            return False

    async def _repeat(self, command: Command) -> CommandResult | None:
        """Make the same call with the same key. What says nothing about the first call leaves the command open."""
        async with self._database.transaction(command.actor, command.command_id) as transaction:
            locked = await transaction.commands.lock(command.command_id)
            if locked is None:
                raise InvariantViolated(f"command {command.command_id!r} is gone")
            if locked.state == "finished":
                return CommandResult.model_validate(locked.result)
            prepared = await HANDLERS[command.kind].resume(transaction, command, locked)
        if prepared.call is None:
            return None
        outcome: object
        try:
            outcome = await call_gateway(self._gateways, command.account, prepared.gateway, prepared.call)
        except (GatewayDeclined, GatewayRejected, VerificationFailed) as error:
            if error.code == CREDENTIALS_REFUSED:
                return None
            outcome = error
        except NO_ANSWER as error:
            _log.info("a repeated call brought no answer", command_id=command.command_id, error=error.code)
            return None
        return await self._runner.settle_unknown(command, outcome)
