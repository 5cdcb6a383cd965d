"""The data of the tests' servers in memory, where the system keeps files there: they make databases by the hundred.

A new database is some six hundred files. On a disk, writing and deleting them takes the system ten times as long.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it has a name of its own and is ours alone
ROOM_BYTES = 1 << 30
PREFIX = "paystream-tests-"
SERVERS = ("postgres", "kafka")


@contextmanager
def data_in_memory(directory: Path, memory: Path = MEMORY, room_bytes: int = ROOM_BYTES) -> Iterator[None]:
    """Have the servers' folders below `directory` lie in memory; their logs stay where they are.

    Where there is no such place, or not enough room in it, nothing changes.
    """
    if not _has_room(memory, room_bytes):
        yield
        return
    _remove_leftovers(memory)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=memory, ignore_cleanup_errors=True) as place:
        for name in SERVERS:
            (Path(place) / name).mkdir()
            (directory / name).symlink_to(Path(place) / name)
        yield


def _has_room(memory: Path, room_bytes: int) -> bool:
    return os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= room_bytes


def _remove_leftovers(memory: Path) -> None:
    """Give back the memory of test processes that were killed."""
    for folder in memory.glob(f"{PREFIX}*"):
        with suppress(ValueError):
            if not psutil.pid_exists(int(folder.name.removeprefix(PREFIX).split("-")[0])):
                shutil.rmtree(folder, ignore_errors=True)
