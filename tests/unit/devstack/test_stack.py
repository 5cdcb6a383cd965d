from pathlib import Path

import pytest

from devstack.errors import StackFailed
from devstack.stack import Stack, running_stack
from devstack.state import read_state


@pytest.fixture(autouse=True)
def no_tools_and_nothing_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Java and Maven, whose environment names no broker and no database."""
    for name in ("JAVA_HOME", "PAYSTREAM_BROKER", "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", "PAYSTREAM_DATABASE__URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def failure_of(directory: Path) -> str:
    with pytest.raises(StackFailed) as failure, running_stack(directory, announce=lambda _: None):
        pass
    assert read_state(directory) is None
    return failure.value.message


def test_kafka_asked_for_without_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYSTREAM_BROKER", "kafka")

    assert "needs Java 17 or newer" in failure_of(tmp_path)


def test_an_unknown_broker_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYSTREAM_BROKER", "rabbitmq")

    assert failure_of(tmp_path) == "PAYSTREAM_BROKER is 'rabbitmq'; it may be kafka or tansu."


def test_a_given_broker_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")

    assert failure_of(tmp_path) == "The broker of PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS (127.0.0.1:1) does not answer."


def test_a_given_database_that_does_not_answer_is_reported_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYSTREAM_BROKER", "tansu")
    monkeypatch.setenv("PAYSTREAM_DATABASE__URL", "postgresql+asyncpg://someone:hidden@127.0.0.1:1/none")

    message = failure_of(tmp_path)

    assert "PAYSTREAM_DATABASE__URL does not take connections" in message
    assert "hidden" not in message


def test_the_password_is_not_in_the_repr_of_a_stack(tmp_path: Path) -> None:
    stack = Stack(
        bootstrap_servers="127.0.0.1:1",
        database_url="postgresql+asyncpg://someone:hidden@127.0.0.1:1/none",
        broker="external",
        idempotence=True,
        directory=tmp_path,
    )

    assert "hidden" not in repr(stack)
    assert stack.environment()["PAYSTREAM_DATABASE__URL"] == stack.database_url
