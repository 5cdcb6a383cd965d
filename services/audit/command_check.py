"""A command accepted is a command answered."""

from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.audit.dead_letters import dead_letter_positions
from services.audit.report import CheckName, CheckResult, Findings
from services.audit.topic_reader import TopicRecord, Topics
from topics.catalog import COMMAND_RESULTS, COMMANDS
from topics.commands import PaymentCommand
from topics.unreadable_commands import read_identity

COMMANDS_ON_TOPIC_ANSWERED = CheckName(
    "commands_on_topic_answered", "Every command on the topic has a result on the results topic, or is a dead letter."
)


async def check_commands(topics: Topics, _: AsyncConnection, now: datetime) -> CheckResult:
    """Look for the result of every command that is younger than the retention of results."""
    findings = Findings(COMMANDS_ON_TOPIC_ANSWERED)
    buried = await dead_letter_positions(topics, COMMANDS)
    answered = {record.key async for chunk in topics.chunks(COMMAND_RESULTS) for record in chunk}
    kept_since = now - timedelta(days=COMMAND_RESULTS.retention_days)
    async for chunk in topics.chunks(COMMANDS):
        for record in chunk:
            if record.written_at < kept_since:
                continue
            findings.examined += 1
            if record.position in buried:
                continue
            command_id = _command_id(record)
            where = f"partition {record.partition} offset {record.offset}"
            if command_id is None:
                findings.add(where, "cannot be read, and is not a dead letter")
            elif command_id.encode() not in answered:
                findings.add(command_id, f"has no result ({where})")
    return findings.result()


def _command_id(record: TopicRecord) -> str | None:
    value = record.value or b""
    try:
        return PaymentCommand.model_validate_json(value).command.command_id
    except ValidationError:
        identity = read_identity(value)
        return None if identity is None else identity.command_id
