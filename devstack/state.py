"""What runs from a folder: one lock and one file, so that other commands can see and stop it."""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devstack.errors import StackFailed

STATE_NAME = "state.json"
LOCK_NAME = "stack.lock"
POLL_SECONDS = 0.05

BrokerKind = Literal["kafka", "tansu", "external"]


class ProcessRecord(BaseModel):
    """A process, told apart from a later one with the same id by the second it started in."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started_at: float

    @classmethod
    def of(cls, name: str, pid: int) -> "ProcessRecord":
        """Record a process that runs now. Raises psutil.NoSuchProcess when it does not."""
        return cls(name=name, pid=pid, started_at=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class StackState(BaseModel):
    """The content of the state file; it has addresses once the stack is ready.

    It holds the database's password, so only its owner may read the file.
    """

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessRecord
    servers: tuple[ProcessRecord, ...] = ()
    broker: BrokerKind | None = None
    idempotence: bool = False
    bootstrap_servers: str = ""
    database_url: str = Field(default="", repr=False)
    ready: bool = False

    def processes(self) -> tuple[ProcessRecord, ...]:
        """Every process of the stack, the supervisor first."""
        return (self.supervisor, *self.servers)

    def environment(self) -> dict[str, str]:
        """The variables that point Paystream's processes at this stack."""
        return stack_environment(self.bootstrap_servers, self.database_url, idempotence=self.idempotence)


def stack_environment(bootstrap_servers: str, database_url: str, *, idempotence: bool) -> dict[str, str]:
    """Return the variables that point Paystream's processes at a broker and a database."""
    return {
        "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "PAYSTREAM_KAFKA__IDEMPOTENCE": "true" if idempotence else "false",
        "PAYSTREAM_DATABASE__URL": database_url,
    }


def read_state(directory: Path) -> StackState | None:
    """Return what was last written; None when nothing is. Raises StackFailed when the file is not one of ours."""
    path = directory / STATE_NAME
    try:
        return StackState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StackFailed(f"{path} cannot be read. If no stack runs from {directory}, delete it.") from error


def write_state(directory: Path, state: StackState) -> None:
    """Replace the state file in one step, readable by its owner only."""
    unfinished = directory / f"{STATE_NAME}.unfinished"
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as state_file:
        state_file.write(state.model_dump_json(indent=2))
    unfinished.replace(directory / STATE_NAME)


def remove_state(directory: Path) -> None:
    """Forget what ran here."""
    (directory / STATE_NAME).unlink(missing_ok=True)


def wait_until_gone(records: Iterable[ProcessRecord], timeout_seconds: float) -> list[ProcessRecord]:
    """Wait for processes, which need not be our children, to end. Returns those that have not."""
    deadline = time.monotonic() + timeout_seconds
    remaining = [record for record in records if record.find() is not None]
    while remaining and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        remaining = [record for record in remaining if record.find() is not None]
    return remaining


def stop_leftovers(state: StackState, timeout_seconds: float) -> list[str]:
    """Wait for the servers of a supervisor that is gone, then kill what remains. Returns the names of the killed."""
    killed = []
    for record in wait_until_gone(state.servers, timeout_seconds):
        process = record.find()
        if process is not None:
            process.kill()
            killed.append(record.name)
    return killed


@contextmanager
def exclusive_use(directory: Path) -> Iterator[None]:
    """Hold the folder for one stack at a time. Raises StackFailed when another one has it."""
    with (directory / LOCK_NAME).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackFailed(
                f"Another stack runs from {directory}. `paystream dev status` shows it, `paystream dev down` stops it."
            ) from error
        yield
