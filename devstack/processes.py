"""Processes that are started, watched, stopped, killed and started again; none outlives this one.

Each runs in a session of its own, so Ctrl-C reaches only us and we decide in which order things stop.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from devstack.errors import StackFailed
from devstack.watchdog import WATCHDOG, process_identity

POLL_SECONDS = 0.05
KILL_SECONDS = 10.0
TAIL_BYTES = 8_192
TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class _Launch:
    command: tuple[str, ...]
    log_path: Path
    environment: Mapping[str, str]


class ManagedProcess:
    """One process. `stop_signal` asks it to end in good order."""

    def __init__(self, name: str, *, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        self.name = name
        self._stop_signal = stop_signal
        self._launch: _Launch | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._exit_code: int | None = None
        self._log_start = 0

    def start(self, command: Sequence[str], log_path: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start the command. Its output is appended to the log; `environment` is added to this process's own."""
        if self.is_running:
            raise StackFailed(f"{self.name} is already running as process {self.pid}.")
        self._launch = _Launch(tuple(command), log_path, dict(environment or {}))
        self._spawn(self._launch)

    def restart(self) -> None:
        """Stop the process if it runs, and start the same command again."""
        if self._launch is None:
            raise StackFailed(f"{self.name} has not been started yet, so it cannot be restarted.")
        self.stop()
        self._spawn(self._launch)

    @property
    def pid(self) -> int:
        """The process id of the latest start, also after the process has ended."""
        if self._process is None:
            raise StackFailed(f"{self.name} has not been started.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there now."""
        return self._process is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """The exit code (minus the signal's number if a signal ended it); None while it runs or before its start."""
        if self._process is not None and self._exit_code is None and self._process.poll() is not None:
            self._bury(self._process)
        return self._exit_code

    def wait_until(self, healthy: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait until `healthy` says so. Raises StackFailed with the end of the log when it ends or takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_running:
            if healthy():
                return
            if time.monotonic() >= deadline:
                raise StackFailed(f"{self.name} was not ready within {timeout_seconds:g} s.{self._log_report()}")
            self._pause(POLL_SECONDS)
        raise StackFailed(f"{self.name} ended with code {self.exit_code} before it was ready.{self._log_report()}")

    def wait(self, timeout_seconds: float) -> int:
        """Wait for the end and return the exit code. Raises StackFailed with the end of the log if it takes longer."""
        process = self._require_process()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise StackFailed(f"{self.name} did not end within {timeout_seconds:g} s.{self._log_report()}") from error
        self._bury(process)
        return process.returncode

    def stop(self, grace_seconds: float = 15.0) -> None:
        """Ask the process to end, and kill it with all its children if it has not within the grace period."""
        process = self._process
        if process is None or not self.is_running:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self._stop_signal)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._bury(process)

    def kill(self) -> None:
        """Send SIGKILL to the process and everything below it, at once, and wait until all of them are gone."""
        process = self._process
        if process is None or not self.is_running:
            return
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            descendants = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for descendant in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()
        process.wait(KILL_SECONDS)
        self._bury(process)
        deadline = time.monotonic() + KILL_SECONDS
        # They are not our children to wait for, and whoever adopts them may leave them unburied for seconds.
        while time.monotonic() < deadline and any(process_identity(each.pid) for each in descendants):
            time.sleep(POLL_SECONDS)

    def log_tail(self) -> str:
        """Return the last lines that the latest start has written to its log."""
        if self._launch is None or not self._launch.log_path.exists():
            return ""
        with self._launch.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _spawn(self, launch: _Launch) -> None:
        launch.log_path.parent.mkdir(parents=True, exist_ok=True)
        with launch.log_path.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the commands are ours, without a shell
                    launch.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **launch.environment},
                    start_new_session=True,
                )
            except OSError as error:
                raise StackFailed(
                    f"{self.name} could not be started: {launch.command[0]}: {error.strerror}."
                ) from error
        self._exit_code = None
        WATCHDOG.guard(self._process.pid, self._stop_signal)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        if self._exit_code is not None:
            return
        self._exit_code = process.returncode
        # Whatever it left behind in its group goes with it, now: later the id may belong to someone else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        WATCHDOG.release(process.pid)

    def _require_process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StackFailed(f"{self.name} has not been started.")
        return self._process

    def _pause(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._require_process().wait(seconds)

    def _log_report(self) -> str:
        if self._launch is None:
            return ""
        tail = self.log_tail()
        return f"\nThe end of {self._launch.log_path}:\n{tail}" if tail else f"\n{self._launch.log_path} is empty."


def run_to_end(
    name: str,
    command: Sequence[str],
    log_path: Path,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command that must end with success. Raises StackFailed with the end of its log when it does not."""
    process = ManagedProcess(name)
    process.start(command, log_path, environment)
    try:
        exit_code = process.wait(timeout_seconds)
    finally:
        process.stop(grace_seconds=1.0)
    if exit_code != 0:
        raise StackFailed(f"{name} failed with code {exit_code}. The end of {log_path}:\n{process.log_tail()}")
