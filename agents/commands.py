"""Commands in; different payments run side by side, one payment's commands in order."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from agents.guard import Guard
from agents.metrics import COMMANDS
from agents.records import Record
from agents.retry_policy import delay_seconds
from domain.errors import GatewayUnavailable
from services.commands.runner import CommandRunner
from topics.commands import Command, PaymentCommand

ATTEMPTS = 6
"""How often a gateway that certainly did nothing is asked before the command fails."""


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
        async with asyncio.TaskGroup() as group:
            for in_order in by_payment.values():
                group.create_task(self._run_in_order(in_order))

    async def _run_in_order(self, records: Sequence[Record]) -> None:
        for record in records:
            await self._guard.run_single(record, self._run_one)

    async def _run_one(self, record: Record) -> None:
        command = PaymentCommand.model_validate_json(record.value).command
        gateway = await self._runner.gateway_of(command)
        async with self._slots[gateway]:
            result = await self._run_patiently(command)
        COMMANDS.labels(kind=command.kind, outcome=result).inc()

    async def _run_patiently(self, command: Command) -> str:
        for attempt in range(ATTEMPTS):
            try:
                return (await self._runner.run(command)).outcome
            except GatewayUnavailable as error:
                if attempt == ATTEMPTS - 1:
                    return (await self._runner.give_up(command, error)).outcome
                await asyncio.sleep(delay_seconds(attempt))
        raise AssertionError("the loop returns on its last attempt")
