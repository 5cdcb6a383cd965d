"""Stops what a process has started when that process dies, however it dies.

`guard` writes to the standard input of one small child, this very file run as a script. As long as the parent lives the
child only listens. When the pipe closes, because the parent ended or was killed, it stops every process that is still
guarded. A pipe works on every POSIX system and, unlike the kernel's parent-death signal, does not fire when only the
thread that started a process ends.

The script runs without the site-packages: nothing but the standard library may be imported here.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05


class Watchdog:
    """The parent's side. The child exists only while something is guarded. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guarded: dict[int, int] = {}
        self._child: subprocess.Popen[bytes] | None = None

    def guard(self, pid: int, stop_signal: signal.Signals) -> None:
        """Have the process stopped if this one dies: the signal first, SIGKILL after a grace period."""
        with self._lock:
            self._guarded[pid] = int(stop_signal)
            if self._child is None or self._child.poll() is not None:
                self._start()
            else:
                self._send(f"guard {pid} {int(stop_signal)}")

    def release(self, pid: int) -> None:
        """Forget a process that has ended."""
        with self._lock:
            if self._guarded.pop(pid, None) is None or self._child is None:
                return
            if self._guarded:
                self._send(f"release {pid}")
            else:
                self._end()

    def _start(self) -> None:
        self._end()
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for pid, stop_signal in self._guarded.items():
            self._send(f"guard {pid} {stop_signal}")

    def _send(self, line: str) -> None:
        if self._child is None or self._child.stdin is None:
            return
        # A watchdog that has died is replaced at the next call of `guard`.
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(f"{line}\n".encode())
            self._child.stdin.flush()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(b"release all\n")
                child.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        child.wait()


WATCHDOG = Watchdog()


def process_identity(pid: int) -> str | None:
    """Return what tells a process from a later one with the same id; None when it is gone or only awaits burial.

    Where there is no /proc the id alone has to do.
    """
    if not Path("/proc/self/stat").exists():
        return "alive" if _exists(pid) else None
    try:
        # The command in parentheses may hold anything, so fields are counted from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    state, start_time = fields[0], fields[19]
    return None if state in "ZX" else start_time


def stop_all(guarded: dict[int, tuple[int, str]], grace_seconds: float = GRACE_SECONDS) -> None:
    """Send every process its signal, wait, and kill the process groups of those that are still there."""
    for pid, (stop_signal, identity) in guarded.items():
        if process_identity(pid) == identity:
            _signal(pid, stop_signal)
    deadline = time.monotonic() + grace_seconds
    remaining = dict(guarded)
    while remaining and time.monotonic() < deadline:
        remaining = {pid: entry for pid, entry in remaining.items() if process_identity(pid) == entry[1]}
        time.sleep(POLL_SECONDS)
    for pid in remaining:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def listen(lines: Iterable[str]) -> dict[int, tuple[int, str]]:
    """Read the parent's lines to the end of the pipe and return what is guarded then: id to signal and identity."""
    guarded: dict[int, tuple[int, str]] = {}
    for line in lines:
        match line.split():
            case ["guard", pid, stop_signal]:
                identity = process_identity(int(pid))
                if identity is not None:
                    guarded[int(pid)] = (int(stop_signal), identity)
            case ["release", "all"]:
                guarded.clear()
            case ["release", pid]:
                guarded.pop(int(pid), None)
            case _:
                pass
    return guarded


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


if __name__ == "__main__":
    stop_all(listen(sys.stdin))
