"""The servers' folders lie in memory while they run, and nothing of them stays there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.memory import PREFIX, SERVERS, data_in_memory


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A place that stands for memory."""
    place = tmp_path / "memory"
    place.mkdir()
    return place


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder of the stack."""
    place = tmp_path / "stack"
    place.mkdir()
    return place


def test_what_servers_write_lies_in_memory_and_is_gone_afterwards(directory: Path, memory: Path) -> None:
    with data_in_memory(directory, memory, room_bytes=0):
        for name in SERVERS:
            (directory / name / "file").write_text("data")
        (place,) = memory.iterdir()
        assert place.name.startswith(f"{PREFIX}{os.getpid()}-")
        assert sorted(file.parent.name for file in place.glob("*/file")) == sorted(SERVERS)

    assert not list(memory.iterdir())


@pytest.mark.parametrize("room_bytes", [0, 1 << 60], ids=["no such place", "too little room"])
def test_without_memory_for_it_the_data_stay_on_the_disk(directory: Path, memory: Path, room_bytes: int) -> None:
    where = memory if room_bytes else memory / "missing"
    with data_in_memory(directory, where, room_bytes=room_bytes):
        assert not list(memory.iterdir())
        assert not list(directory.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_has_stays(directory: Path, memory: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    left, others = memory / f"{PREFIX}{ended.pid}-left", memory / f"{PREFIX}{os.getppid()}-others"
    for folder in (left, others):
        (folder / "postgres").mkdir(parents=True)

    with data_in_memory(directory, memory, room_bytes=0):
        assert (left.exists(), others.exists()) == (False, True)
