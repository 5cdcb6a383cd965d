"""`paystream dev` as a person uses it: every command says what is the case, and each can be given twice."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.state import read_state

pytestmark = pytest.mark.integration


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a stack on Tansu, which starts soonest; stopped at the end."""
    for name in ("PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", "PAYSTREAM_DATABASE__URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAYSTREAM_BROKER", "tansu")
    yield tmp_path
    dev("down", tmp_path)


def dev(command: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.dev", command, "--directory", str(directory), *options],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_up_status_down_and_reset_can_each_be_given_twice(directory: Path) -> None:
    up = dev("up", directory)
    assert up.returncode == 0, up.stderr
    assert up.stdout.count("export PAYSTREAM_") == 3
    assert "Tansu" in up.stderr
    assert (read_state(directory) or pytest.fail("no state")).ready
    assert "paystream:" not in (directory / "dev.log").read_text()

    again = dev("up", directory)
    assert (again.returncode, again.stdout) == (0, up.stdout)
    assert "up already" in again.stderr

    elsewhere = dev("up", directory, "--kafka-port", "9")
    assert elsewhere.returncode == 1
    assert "on other ports" in elsewhere.stderr

    status = dev("status", directory)
    assert status.returncode == 0
    assert [line.split()[0] for line in status.stdout.splitlines()[:3]] == ["supervisor", "Tansu", "PostgreSQL"]

    assert dev("down", directory).stdout == "Stopped.\n"
    down_again = dev("down", directory)
    assert (down_again.returncode, down_again.stdout) == (0, f"Nothing runs from {directory}.\n")
    assert dev("status", directory).returncode == 1

    assert (directory / "postgres").exists()
    assert "postgres" in dev("reset", directory).stdout
    assert list(directory.iterdir()) == []
    reset_again = dev("reset", directory)
    assert (reset_again.returncode, reset_again.stdout) == (0, f"There is nothing to delete in {directory}.\n")


def test_reset_deletes_only_what_the_stack_has_made(directory: Path) -> None:
    (directory / "logs").mkdir()
    (directory / "mine.txt").write_text("content")

    dev("reset", directory)

    assert [path.name for path in directory.iterdir()] == ["mine.txt"]


def test_status_and_down_cope_with_a_stack_whose_supervisor_was_killed(directory: Path) -> None:
    assert dev("up", directory).returncode == 0
    state = read_state(directory)
    assert state is not None
    supervisor = state.supervisor.find()
    assert supervisor is not None
    supervisor.kill()

    status = dev("status", directory)
    assert status.returncode == 1
    assert "not running" in status.stdout

    assert dev("down", directory).returncode == 0
    assert [record for record in state.processes() if record.find() is not None] == []
    assert dev("up", directory).returncode == 0


def test_a_failed_start_says_why_and_leaves_nothing(directory: Path) -> None:
    assert dev("up", directory).returncode == 0
    state = read_state(directory)
    assert state is not None
    port = state.bootstrap_servers.rpartition(":")[2]

    failed = dev("up", directory / "other", "--kafka-port", port)

    assert failed.returncode == 1
    assert f"Port {port}" in failed.stderr
    assert read_state(directory / "other") is None
