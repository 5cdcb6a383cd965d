"""Messages of the outbox name the version of what they carry."""

from datetime import UTC, datetime

import pytest

from services.messages import command_result
from topics.catalog import TOPICS
from topics.commands import CommandResult
from topics.spec import TopicSpec

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_relayed_record_names_its_topics_version_and_model() -> None:
    result = CommandResult(
        command_id="c1", subject_id="p1", account="demo", kind="sync", outcome="succeeded", completed_at=NOON
    )
    message = command_result(result)
    assert dict(message.headers)["ce_dataschema"] == "urn:paystream:payments.command-results.v1:CommandResult"
    assert CommandResult.model_validate_json(message.payload) == result


@pytest.mark.parametrize("spec", TOPICS, ids=lambda spec: spec.name)
def test_only_values_with_a_model_have_a_schema_and_no_two_topics_share_one(spec: TopicSpec) -> None:
    assert (spec.data_schema is None) == (spec.model is None)
    if spec.model is not None:
        assert [other.name for other in TOPICS if other.data_schema == spec.data_schema] == [spec.name]
