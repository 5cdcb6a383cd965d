"""Commands in; different payments run side by side, one payment's commands in order."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from agents.guard import Failure, Guard
from agents.metrics import COMMANDS
from agents.records import Record
from agents.retry_policy import delay_seconds
from domain.errors import CommandConflict, GatewayUnavailable, InvalidInput, MalformedPayload
from services.commands.runner import CommandRunner
from topics.commands import Command, CommandResult, PaymentCommand
from topics.unreadable_commands import explain, read_identity

ATTEMPTS = 6
"""How often a gateway that certainly did nothing is asked before the command fails."""

_log = structlog.get_logger(__name__)


class CommandsAgent:
    """Runs batches of commands, at most `per_gateway` calls to one gateway at a time."""

    def __init__(self, runner: CommandRunner, guard: Guard, *, per_gateway: int) -> None:
        self._runner = runner
        self._guard = guard
        self._slots: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_gateway))

    async def run(self, records: Sequence[Record]) -> None:
        """Carry every command of the batch to its result or to the dead letters."""
        by_payment: dict[bytes | None, list[Record]] = defaultdict(list)
        for record in records:
            by_payment[record.key].append(record)
        failures: list[Failure] = []
        async with asyncio.TaskGroup() as group:
            for in_order in by_payment.values():
                group.create_task(self._run_in_order(in_order, failures))
        await self._guard.bury(failures)

    async def _run_in_order(self, records: Sequence[Record], failures: list[Failure]) -> None:
        for record in records:
            failure = await self._guard.attempt(record, self._run_one)
            failures.extend([] if failure is None else [failure])

    async def _run_one(self, record: Record) -> None:
        try:
            command = PaymentCommand.model_validate_json(record.value).command
        except ValidationError as error:
            await self._refuse(record.value, explain(error))
            return
        gateway = await self._runner.gateway_of(command)
        async with self._slots[gateway]:
            result = await self._run_patiently(command)
        _note(result)

    async def _refuse(self, value: bytes, error: InvalidInput) -> None:
        """Answer a command that cannot be read, if it can be read whose it is; else it is a dead letter."""
        identity = read_identity(value)
        if identity is None:
            raise MalformedPayload(f"a command that names no command_id, account and subject: {error.message}")
        result = await self._runner.refuse_unreadable(identity, error)
        _note(result)

    async def _run_patiently(self, command: Command) -> CommandResult:
        for attempt in range(ATTEMPTS):
            try:
                return await self._runner.run(command)
            except GatewayUnavailable as error:
                if attempt == ATTEMPTS - 1:
                    return await self._runner.give_up(command, error)
                await asyncio.sleep(delay_seconds(attempt))
        raise AssertionError("the loop returns on its last attempt")


def _note(result: CommandResult) -> None:
    COMMANDS.labels(kind=result.kind, outcome=result.outcome).inc()
    if result.code == CommandConflict.code and result.field == "command_id":
        # Nobody reads this refusal on the results topic: the result of the id there is the first command's.
        _log.warning("a command id was used again with other content", command_id=result.command_id)
