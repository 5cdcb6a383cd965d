import pytest

from topics.catalog import DEAD_LETTERS, RAW_WEBHOOKS, TOPICS, dead_letter
from topics.spec import Cleanup, TopicSpec

BY_NAME = {spec.name: spec for spec in TOPICS}


def spec_of(**changes: object) -> TopicSpec:
    fields = {"name": "a.v1", "description": "", "key": "id", "model": None, "written_by": "agents/a"}
    return TopicSpec(**(fields | changes))  # type: ignore[arg-type]  # A test may want any field at any value.


def test_a_topic_that_forgets_by_age_says_when() -> None:
    assert spec_of(retention_days=7).config["cleanup.policy"] == "delete"
    assert spec_of(retention_days=7).config["retention.ms"] == "604800000"


def test_a_compacted_topic_forgets_nothing_by_age() -> None:
    config = spec_of(cleanup=Cleanup.COMPACT).config
    assert config["cleanup.policy"] == "compact"
    assert "retention.ms" not in config


def test_a_dead_letter_topic_outlives_its_source_and_keeps_its_key() -> None:
    letters = dead_letter(RAW_WEBHOOKS)
    assert letters.name == "payments.webhooks.raw.dlq.v1"
    assert letters.key == RAW_WEBHOOKS.key
    assert letters.retention_days > RAW_WEBHOOKS.retention_days


def test_no_name_is_declared_twice() -> None:
    assert len(BY_NAME) == len(TOPICS)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_public_topic_has_a_version_and_is_described(name: str) -> None:
    spec = BY_NAME[name]
    assert spec.internal or name.endswith(".v1")
    assert spec.description.endswith(".")
    assert spec.partitions > 0


def test_every_dead_letter_topic_is_in_the_catalog() -> None:
    assert set(DEAD_LETTERS) <= set(TOPICS)
