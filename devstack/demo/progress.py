"""Live progress of the demo."""

import asyncio
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from devstack.application import Application
from devstack.demo.driver import Driver
from devstack.demo.watch import Watcher

INTERVAL_SECONDS = 0.25


class DemoProgress:
    """Bars for stories lived, payments at their planned end, and what the topics bring."""

    def __init__(self, console: Console, payments: int) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._total = payments
        self._lived = self._bars.add_task("stories lived", total=payments, note="")
        self._arrived = self._bars.add_task("payments at their planned end", total=payments, note="")
        self._settled = self._bars.add_task("windows closing into batches", total=None, note="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def settling(self) -> None:
        """Say that only settlement is still under way."""
        self._bars.update(self._settled, note="waiting for the last window")

    async def follow(self, driver: Driver, watcher: Watcher, application: Application) -> None:
        """Update the bars until cancelled, and start again what has stopped by itself."""
        while True:
            tally = driver.tally
            self._bars.update(
                self._lived,
                completed=tally.finished,
                note=f"{tally.commands} commands, {tally.posted} callbacks",
            )
            arrived = self._total - len(driver.unfinished())
            self._bars.update(self._arrived, completed=arrived, note=f"{watcher.event_count} domain events")
            self._bars.update(self._settled, completed=len(watcher.batches))
            for name in application.restart_stopped():
                self._console.print(f"[yellow]{name} had stopped and was started again; see its log[/]")
            await asyncio.sleep(INTERVAL_SECONDS)
