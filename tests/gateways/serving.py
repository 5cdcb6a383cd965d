"""Running a stand-in of a gateway in a process of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.ports import accepts_connections, free_port
from devstack.processes import ManagedProcess

START_SECONDS = 30.0


@contextmanager
def serving(module: str, directory: Path) -> Iterator[str]:
    """Run a stand-in and yield its URL; the directory gets its log."""
    port, process = free_port(), ManagedProcess(module)
    process.start([sys.executable, "-m", module, "--port", str(port)], directory / "server.log")
    try:
        process.wait_until(lambda: accepts_connections(port), START_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()
