"""Commands over HTTP: run at once by the same service that runs them from the topic."""

from typing import Any

from fastapi import Request

from api.authentication import Caller
from api.context import ApiContext
from api.idempotency import command_id_of
from domain.errors import GatewayRejected, GatewayUnavailable, PaystreamError, Refused
from topics.commands import Command, CommandResult, PaymentCommand


async def run_command(
    request: Request,
    context: ApiContext,
    caller: Caller,
    kind: str,
    **values: Any,  # noqa: ANN401 - fields of a command
) -> CommandResult:
    """Run a command and return its result, which is `succeeded` or `unknown`.

    Raises the error that it was refused with or failed with; see `api.problems` for what becomes of it.
    """
    content = {
        "kind": kind,
        "command_id": command_id_of(request, caller),
        "account": caller.account,
        "requested_at": context.clock(),
        "actor": caller.actor,
        **values,
    }
    request.state.command_ran = True
    command: Command = PaymentCommand.model_validate({"command": content}).command
    runner = context.runner(caller.account)
    try:
        result = await runner.run(command)
    except GatewayUnavailable as error:
        # Nothing was done. The command is finished, so that its id can never come to mean anything else.
        result = await runner.give_up(command, error)
    if result.outcome in {"refused", "failed"}:
        raise error_of(result)
    return result


def error_of(result: CommandResult) -> PaystreamError:
    """The error that a result stands for."""
    kinds = _by_code()
    fallback = Refused if result.outcome == "refused" else GatewayRejected
    kind = kinds.get(result.code or "", fallback)
    return kind(result.message or "the command was not carried out", code=result.code, field=result.field)


def _by_code() -> dict[str, type[PaystreamError]]:
    found: dict[str, type[PaystreamError]] = {}
    waiting: list[type[PaystreamError]] = [PaystreamError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting.extend(kind.__subclasses__())
    return found
