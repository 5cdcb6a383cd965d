"""`paystream dev …`: the embedded broker and database, kept running for development."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import PaystreamError

if TYPE_CHECKING:
    from devstack.state import StackState

app = typer.Typer(no_args_is_help=True, help="A real broker and a real PostgreSQL on this machine, without Docker.")

DEFAULT_DIRECTORY = Path(".paystream")
# What the stack itself puts into its folder. `reset` deletes nothing else, whatever folder it is pointed at.
OWN_ENTRIES = ("kafka", "postgres", "logs", "state.json", "state.json.unfinished", "stack.lock", "dev.log")
POLL_SECONDS = 0.1
DOWN_TIMEOUT_SECONDS = 45.0

Directory = Annotated[Path, typer.Option(help="The folder for data, logs and state.")]
KafkaPort = Annotated[int | None, typer.Option(help="The broker's port; without it, any free one.")]
PostgresPort = Annotated[int | None, typer.Option(help="PostgreSQL's port; without it, any free one.")]
Foreground = Annotated[bool, typer.Option("--foreground", help="Stay here until Ctrl-C.")]


@app.command()
def up(
    directory: Directory = DEFAULT_DIRECTORY,
    kafka_port: KafkaPort = None,
    postgres_port: PostgresPort = None,
    *,
    foreground: Foreground = False,
) -> None:
    """Start the broker and PostgreSQL, in the background unless asked otherwise."""
    with _plain_errors():
        state = _running(directory)
        if state is not None:
            _print_already_up(state, kafka_port, postgres_port)
        elif foreground:
            _stay_up(directory, kafka_port, postgres_port)
        else:
            _print_environment(_start_in_background(directory, kafka_port, postgres_port))


@app.command()
def down(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop what runs; the data stay."""
    with _plain_errors():
        print("Stopped." if _stop(directory) else f"Nothing runs from {directory}.")


@app.command()
def status(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Show what runs. Exit code 0 when everything does, 1 when not."""
    with _plain_errors():
        from devstack.state import read_state

        state = read_state(directory)
        if state is None:
            print(f"Nothing runs from {directory}.")
            raise typer.Exit(1)
        alive = [record.find() is not None for record in state.processes()]
        for record, is_alive in zip(state.processes(), alive, strict=True):
            print(f"{record.name:<14}{'process ' + str(record.pid) if is_alive else 'not running'}")
        if not all(alive):
            print("The stack is not whole: `paystream dev down` stops the rest, `paystream dev up` starts it again.")
            raise typer.Exit(1)
        if not state.ready:
            print("It is still starting.")
            raise typer.Exit(1)
        _print_environment(state)


@app.command()
def reset(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop what runs and delete its data."""
    with _plain_errors():
        if _stop(directory):
            print("Stopped.")
        found = [directory / name for name in OWN_ENTRIES if (directory / name).exists()]
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        deleted = ", ".join(path.name for path in found)
        print(f"Deleted from {directory}: {deleted}." if found else f"There is nothing to delete in {directory}.")


def _running(directory: Path) -> "StackState | None":
    """Return the state of the stack whose supervisor lives, ready or not."""
    from devstack.state import read_state

    state = read_state(directory)
    return state if state is not None and state.supervisor.find() is not None else None


def _stay_up(directory: Path, kafka_port: int | None, postgres_port: int | None) -> None:
    from devstack.stack import running_stack

    with _stop_signals_as_interrupt():
        try:
            with running_stack(directory, kafka_port=kafka_port, postgres_port=postgres_port):
                state = _running(directory)
                if state is not None:
                    _print_environment(state)
                print("Ctrl-C stops it.", flush=True)
                while True:
                    signal.pause()
        except KeyboardInterrupt:
            print("Stopped.")


@contextmanager
def _stop_signals_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the stack in the same good order as Ctrl-C."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _start_in_background(directory: Path, kafka_port: int | None, postgres_port: int | None) -> "StackState":
    """Start `up --foreground` in a session of its own and wait until it is ready, passing on what it says.

    Its standard output, where it prints the password, goes nowhere; the state file has the same for its owner alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cli.dev", "up", "--foreground", "--directory", str(directory.resolve())]
    for option, port in (("--kafka-port", kafka_port), ("--postgres-port", postgres_port)):
        if port is not None:
            command += [option, str(port)]
    log_path = directory / "dev.log"
    with log_path.open("wb") as log, log_path.open("r", errors="replace") as said:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        try:
            while process.poll() is None:
                state = _running(directory)
                print(said.read(), end="", file=sys.stderr, flush=True)
                if state is not None and state.ready and state.supervisor.pid == process.pid:
                    return state
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            process.terminate()
            process.wait(DOWN_TIMEOUT_SECONDS)
            raise
        print(said.read(), end="", file=sys.stderr, flush=True)
    raise PaystreamError(f"The stack did not start; {log_path} has what it said.", code="stack_failed")


def _stop(directory: Path) -> bool:
    """Stop the stack of the folder. Returns whether there was anything to stop."""
    from devstack.state import read_state, remove_state, stop_leftovers, wait_until_gone

    state = read_state(directory)
    if state is None:
        return False
    supervisor = state.supervisor.find()
    if supervisor is not None:
        supervisor.terminate()
        if wait_until_gone([state.supervisor], DOWN_TIMEOUT_SECONDS):
            print(f"The supervisor, process {supervisor.pid}, does not end and is killed.", file=sys.stderr)
            supervisor.kill()
    for name in stop_leftovers(state, timeout_seconds=DOWN_TIMEOUT_SECONDS / 3):
        print(f"{name} was still running and was killed.", file=sys.stderr)
    remove_state(directory)
    return supervisor is not None


def _print_already_up(state: "StackState", kafka_port: int | None, postgres_port: int | None) -> None:
    if not state.ready:
        raise PaystreamError("The stack is being started by another command already.", code="stack_failed")
    kafka_elsewhere = kafka_port is not None and not state.bootstrap_servers.endswith(f":{kafka_port}")
    postgres_elsewhere = postgres_port is not None and f":{postgres_port}/" not in state.database_url
    if kafka_elsewhere or postgres_elsewhere:
        raise PaystreamError(
            "The stack is up already, on other ports. Run `paystream dev down` first.", code="stack_failed"
        )
    print("The stack is up already.", file=sys.stderr)
    _print_environment(state)


def _print_environment(state: "StackState") -> None:
    """Print the variables as shell commands, so that `eval "$(paystream dev up)"` points a shell at the stack."""
    for name, value in state.environment().items():
        print(f"export {name}='{value}'", flush=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn our own errors, and a missing extra, into one message and exit code 1."""
    try:
        yield
    except PaystreamError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name != "psutil":
            raise
        typer.echo(f"The embedded stack needs the package {error.name}: install paystream[devstack].", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
