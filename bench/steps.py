"""What a benchmark is doing right now, for the person who waits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Announces each step on a line, with the time it took."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show that this is being done, and afterwards for how long it was."""
        started = time.monotonic()
        with self._console.status(what):
            yield
        self._console.print(f"  {what:<60} {time.monotonic() - started:7.1f} s", style="dim")

    @contextmanager
    def counting(self, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far a step is: the yielded function is told how much is done."""
        shown = 0

        def show(done: int) -> None:
            nonlocal shown
            tenth = done * 10 // max(total, 1)
            if tenth > shown:
                shown = tenth
                self.note(f"{tenth * 10} %")

        yield show

    def note(self, what: str) -> None:
        """Say something in between."""
        self._console.print(f"  {what}", style="dim")
