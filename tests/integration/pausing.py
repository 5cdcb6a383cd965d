"""Stopping a server in its tracks, as a machine does that swaps or a network that drops everything."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from devstack.server import Server


@contextmanager
def paused(server: Server | None) -> Iterator[None]:
    """Keep a server and its children from running; what somebody else runs cannot be stopped and skips the test."""
    if server is None:
        pytest.skip("the broker and the database are somebody else's here, and are left alone")
    parent = psutil.Process(server.process.pid)
    family = [parent, *parent.children(recursive=True)]
    try:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()
