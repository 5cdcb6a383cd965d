import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from devstack.errors import StackFailed
from devstack.processes import ManagedProcess, run_to_end
from devstack.state import ProcessRecord, wait_until_gone
from devstack.watchdog import process_identity

SLEEPS = "import time; print('ready', flush=True); time.sleep(60)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
HAS_A_CHILD = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'], start_new_session=True);"
    "print('ready', child.pid, flush=True); time.sleep(60)"
)
STARTS_AND_WAITS = """
import sys, time
from pathlib import Path
from devstack.processes import ManagedProcess
process = ManagedProcess("child")
process.start([sys.executable, "-S", "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
print(process.pid, flush=True)
time.sleep(60)
"""


def python(script: str) -> list[str]:
    return [sys.executable, "-S", "-c", script]


def started(script: str, log_path: Path) -> ManagedProcess:
    process = ManagedProcess("example")
    process.start(python(script), log_path)
    process.wait_until(lambda: "ready" in process.log_tail(), timeout_seconds=20)
    return process


def test_stop_asks_and_the_process_ends(tmp_path: Path) -> None:
    process = started(SLEEPS, tmp_path / "log")

    process.stop()

    assert not process.is_running
    assert process.exit_code == -signal.SIGTERM
    process.stop()


def test_stop_sends_the_signal_of_the_process(tmp_path: Path) -> None:
    process = ManagedProcess("example", stop_signal=signal.SIGHUP)
    process.start(python(SLEEPS), tmp_path / "log")

    process.stop()

    assert process.exit_code == -signal.SIGHUP


def test_stop_kills_what_does_not_end_in_time(tmp_path: Path) -> None:
    process = started(IGNORES_SIGTERM, tmp_path / "log")

    process.stop(grace_seconds=0.2)

    assert process.exit_code == -signal.SIGKILL


def test_kill_takes_children_along_even_from_sessions_of_their_own(tmp_path: Path) -> None:
    process = started(HAS_A_CHILD, tmp_path / "log")
    child = int(process.log_tail().split()[1])
    assert process_identity(child) is not None

    process.kill()

    assert process.exit_code == -signal.SIGKILL
    assert process_identity(child) is None


def test_restart_runs_the_same_command_as_a_new_process(tmp_path: Path) -> None:
    process = started(SLEEPS, tmp_path / "log")
    first = process.pid
    process.kill()

    process.restart()
    # Right after its start the system may not know a process's arguments yet.
    process.wait_until(lambda: "ready" in process.log_tail(), timeout_seconds=20)

    assert process.is_running
    assert process.pid != first
    assert psutil.Process(process.pid).cmdline() == python(SLEEPS)
    process.stop()


def test_restart_stops_a_process_that_runs(tmp_path: Path) -> None:
    process = started(SLEEPS, tmp_path / "log")
    first = process.pid

    process.restart()

    assert not psutil.pid_exists(first)
    process.stop()


def test_a_process_runs_once_at_a_time(tmp_path: Path) -> None:
    process = started(SLEEPS, tmp_path / "log")

    with pytest.raises(StackFailed, match="already running"):
        process.start(python(SLEEPS), tmp_path / "log")

    process.stop()


def test_the_environment_is_added_to_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    process = ManagedProcess("example")

    process.start(python("import os; print(os.environ['OURS'], os.environ['ADDED'])"), tmp_path / "log", {"ADDED": "2"})

    assert process.wait(20) == 0
    assert process.log_tail() == "1 2"


def test_waiting_for_a_process_that_ends_reports_its_code_and_its_last_words(tmp_path: Path) -> None:
    process = ManagedProcess("example")
    process.start(python("print('no space left'); raise SystemExit(3)"), tmp_path / "log")

    with pytest.raises(StackFailed, match=r"example ended with code 3 before it was ready(.|\n)*no space left"):
        process.wait_until(lambda: False, timeout_seconds=20)


def test_waiting_too_long_reports_the_deadline(tmp_path: Path) -> None:
    process = started(SLEEPS, tmp_path / "log")

    with pytest.raises(StackFailed, match=r"was not ready within 0\.2 s"):
        process.wait_until(lambda: False, timeout_seconds=0.2)

    assert process.is_running
    process.stop()


def test_the_log_is_appended_to_but_only_the_latest_start_is_quoted(tmp_path: Path) -> None:
    log_path = tmp_path / "log"
    run_to_end("first", python("print('from before')"), log_path, 20)

    with pytest.raises(StackFailed) as failure:
        run_to_end("second", python("print('from now'); raise SystemExit(1)"), log_path, 20)

    assert log_path.read_text() == "from before\nfrom now\n"
    assert "from now" in failure.value.message
    assert "from before" not in failure.value.message


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    before = time.monotonic()

    with pytest.raises(StackFailed, match=r"did not end within 0\.2 s"):
        run_to_end("example", python(SLEEPS), tmp_path / "log", 0.2)

    assert time.monotonic() - before < 20


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="example could not be started: /nowhere/at/all"):
        ManagedProcess("example").start(["/nowhere/at/all"], tmp_path / "log")


def test_nothing_can_be_asked_of_a_process_before_its_start() -> None:
    process = ManagedProcess("example")

    assert not process.is_running
    assert process.exit_code is None
    process.stop()
    process.kill()
    with pytest.raises(StackFailed, match="has not been started"):
        process.restart()
    with pytest.raises(StackFailed, match="has not been started"):
        assert process.pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_parent_dies_its_processes_die(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTS_AND_WAITS, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        child = ProcessRecord.of("child", int(parent.stdout.readline()))

        os.kill(parent.pid, number)
        parent.wait(20)

    assert wait_until_gone([child], timeout_seconds=20) == []
