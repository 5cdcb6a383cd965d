import os
import signal
import subprocess
import sys

from devstack.watchdog import Watchdog, listen, process_identity, stop_all

SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
IGNORES_SIGTERM = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


def test_what_is_guarded_and_not_released_remains() -> None:
    own = os.getpid()

    assert listen([f"guard {own} 15\n"]) == {own: (15, process_identity(own))}
    assert listen([f"guard {own} 15\n", f"release {own}\n"]) == {}
    assert listen([f"guard {own} 15\n", "release all\n"]) == {}


def test_a_process_that_is_gone_already_is_not_guarded() -> None:
    with subprocess.Popen(SLEEPS) as process:
        process.kill()
        process.wait()

        assert listen([f"guard {process.pid} 15\n"]) == {}


def test_each_process_gets_its_own_signal() -> None:
    with (
        subprocess.Popen(SLEEPS, start_new_session=True) as first,
        subprocess.Popen(SLEEPS, start_new_session=True) as second,
    ):
        stop_all(listen([f"guard {first.pid} {int(signal.SIGTERM)}", f"guard {second.pid} {int(signal.SIGHUP)}"]))

        assert first.wait(10) == -signal.SIGTERM
        assert second.wait(10) == -signal.SIGHUP


def test_a_process_that_ignores_its_signal_is_killed_after_the_grace_period() -> None:
    with subprocess.Popen(IGNORES_SIGTERM, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

        stop_all(listen([f"guard {process.pid} {int(signal.SIGTERM)}"]), grace_seconds=0.2)

        assert process.wait(10) == -signal.SIGKILL


def test_a_process_with_the_id_of_a_guarded_one_that_is_gone_is_left_alone() -> None:
    with subprocess.Popen(SLEEPS, start_new_session=True) as process:
        stop_all({process.pid: (int(signal.SIGTERM), "started at another time")})

        assert process.poll() is None
        process.kill()


def test_the_watchdog_itself_lives_as_long_as_something_is_guarded() -> None:
    watchdog = Watchdog()
    with subprocess.Popen(SLEEPS, start_new_session=True) as process:
        watchdog.guard(process.pid, signal.SIGTERM)
        child = watchdog._child
        assert child is not None
        assert child.poll() is None

        watchdog.release(process.pid)

        assert child.poll() == 0
        assert process.poll() is None
        process.kill()
