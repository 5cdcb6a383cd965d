"""What the broker and the database have in common: they start, become healthy, stop, are killed and come back."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from devstack.processes import ManagedProcess

Answer = TypeVar("Answer")


class Server(ABC):
    """One server process on a port of the loopback interface, with its data in a folder of its own."""

    start_timeout_seconds = 60.0

    def __init__(self, process: ManagedProcess, port: int) -> None:
        self.process = process
        self.port = port

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is, for people: product, version, address."""

    @abstractmethod
    def start(self) -> None:
        """Prepare the data folder if it is new and start the process, without waiting for it to be ready."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Say whether it answers a real request."""

    def wait_until_healthy(self) -> None:
        """Wait until it answers. Raises StackFailed with the end of its log when it does not in time."""
        self.process.wait_until(self.is_healthy, self.start_timeout_seconds)

    def stop(self) -> None:
        """Stop it in good order."""
        self.process.stop()

    def kill(self) -> None:
        """Take it down as a power cut would."""
        self.process.kill()

    def restart(self) -> None:
        """Start it again on the same port and the same data, and wait until it answers."""
        self.stop()
        self.start()
        self.wait_until_healthy()


def complete(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine to its end from synchronous code, also where this thread has an event loop already."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, coroutine).result()
