"""What a topic may have forgotten is not missed."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.audit.command_check import check_commands
from services.audit.raw_check import check_raw
from services.audit.topic_reader import UNDATED, TopicRecord
from topics.catalog import COMMAND_RESULTS, COMMANDS, RAW_WEBHOOKS, REJECTED_WEBHOOKS
from topics.commands import PaymentCommand, SyncPayment
from topics.spec import TopicSpec

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NO_DATABASE = cast("AsyncConnection", None)
COMMAND = PaymentCommand(command=SyncPayment(command_id="c1", payment_id="p1", account="demo", requested_at=NOW))


class RememberedTopics:
    """Topics whose records are given; all others are empty."""

    def __init__(self, records: Mapping[str, list[TopicRecord]]) -> None:
        self._records = records

    async def chunks(self, spec: TopicSpec) -> AsyncIterator[list[TopicRecord]]:
        """Yield what was given."""
        if spec.name in self._records:
            yield self._records[spec.name]


def _record(written_at: datetime) -> TopicRecord:
    return TopicRecord(0, 0, written_at, b"p1", COMMAND.model_dump_json().encode(), ())


MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("written_at", "examined"),
    [
        (NOW, 1),
        (UNDATED, 1),
        (NOW - timedelta(days=COMMAND_RESULTS.retention_days), 1),
        (NOW - timedelta(days=COMMAND_RESULTS.retention_days) - MOMENT, 0),
    ],
)
async def test_a_command_older_than_results_are_kept_is_not_examined(written_at: datetime, examined: int) -> None:
    topics = RememberedTopics({COMMANDS.name: [_record(written_at)]})
    result = await check_commands(topics, NO_DATABASE, NOW)
    assert (result.examined, [violation.subject for violation in result.violations]) == (examined, ["c1"] * examined)


@pytest.mark.parametrize(
    ("written_at", "examined"),
    [
        (NOW, 1),
        (UNDATED, 1),
        (NOW - timedelta(days=REJECTED_WEBHOOKS.retention_days), 1),
        (NOW - timedelta(days=REJECTED_WEBHOOKS.retention_days) - MOMENT, 0),
    ],
)
async def test_a_callback_older_than_its_outcome_is_kept_is_not_examined(written_at: datetime, examined: int) -> None:
    topics = RememberedTopics({RAW_WEBHOOKS.name: [_record(written_at)]})
    result = await check_raw(topics, NO_DATABASE, NOW)
    assert (result.examined, result.violation_count, result.figures["raw"]) == (examined, examined, examined)
