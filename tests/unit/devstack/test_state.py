import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.errors import StackFailed
from devstack.state import (
    ProcessRecord,
    StackState,
    exclusive_use,
    read_state,
    remove_state,
    stack_environment,
    stop_leftovers,
    wait_until_gone,
    write_state,
)

SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def some_state(*servers: ProcessRecord) -> StackState:
    return StackState(
        supervisor=ProcessRecord.of("supervisor", os.getpid()),
        servers=servers,
        broker="kafka",
        idempotence=True,
        bootstrap_servers="127.0.0.1:9092",
        database_url="postgresql+asyncpg://paystream:hidden@127.0.0.1:5432/paystream",
        ready=True,
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_state(tmp_path, some_state())

    assert read_state(tmp_path) == some_state()


def test_the_file_is_for_its_owner_alone_and_the_password_not_in_the_repr(tmp_path: Path) -> None:
    write_state(tmp_path, some_state())

    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert "hidden" not in repr(some_state())


def test_without_a_file_there_is_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None

    write_state(tmp_path, some_state())
    remove_state(tmp_path)
    remove_state(tmp_path)

    assert read_state(tmp_path) is None


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"supervisor": 7}')

    with pytest.raises(StackFailed, match=r"state\.json cannot be read"):
        read_state(tmp_path)


def test_the_environment_points_at_the_stack() -> None:
    assert stack_environment("127.0.0.1:1", "postgresql+asyncpg://u@h/d", idempotence=False) == {
        "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "PAYSTREAM_KAFKA__IDEMPOTENCE": "false",
        "PAYSTREAM_DATABASE__URL": "postgresql+asyncpg://u@h/d",
    }


def test_a_record_finds_its_process_and_not_a_later_one_with_the_same_id() -> None:
    record = ProcessRecord.of("here", os.getpid())

    assert record.find() is not None
    assert record.model_copy(update={"started_at": record.started_at - 60}).find() is None


def test_a_process_that_has_ended_is_not_found_even_before_its_parent_asks() -> None:
    with subprocess.Popen(SLEEPS) as process:
        record = ProcessRecord.of("sleeps", process.pid)
        process.kill()

        assert wait_until_gone([record], timeout_seconds=10) == []
        assert record.find() is None


def test_leftovers_that_do_not_end_are_killed_and_named() -> None:
    with subprocess.Popen(SLEEPS) as process:
        killed = stop_leftovers(some_state(ProcessRecord.of("sleeps", process.pid)), timeout_seconds=0.1)

        assert killed == ["sleeps"]
        assert process.wait(10) == -9


def test_leftovers_never_include_the_supervisor() -> None:
    assert stop_leftovers(some_state(), timeout_seconds=0.1) == []


def test_a_folder_is_for_one_stack_at_a_time(tmp_path: Path) -> None:
    with exclusive_use(tmp_path), pytest.raises(StackFailed, match="Another stack runs"), exclusive_use(tmp_path):
        pass

    with exclusive_use(tmp_path):
        assert (tmp_path / "stack.lock").exists()
