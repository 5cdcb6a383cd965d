"""The benchmark of the pipeline: all sides in one run on the embedded stack, in turn, so that noise hits all alike."""

import asyncio
import secrets
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.baselines import copy_rows, run_without_faust
from bench.ground import Ground
from bench.latency import WARM_UP, measure_latency
from bench.machine import describe_machine
from bench.naive import run_naive
from bench.pipeline_side import fill_raw_topic, run_pipeline
from bench.processor_time import servers_of
from bench.report import BenchReport, Speeds
from bench.workload import CALLBACKS_PER_PAYMENT, make_workload
from devstack.stack import Stack, running_stack

NAIVE_PART = 10
"""The naive side works on a tenth of the callbacks; its speed does not depend on how many there are."""
SAMPLES = 50
MINIMUM_CALLBACKS = (WARM_UP + SAMPLES) * CALLBACKS_PER_PAYMENT


def run_benchmark(directory: Path, *, callbacks: int, repeats: int, console: Console) -> BenchReport:
    """Run the stack and every side on it. Raises StackFailed when something does not come up or stalls."""
    shutil.rmtree(directory, ignore_errors=True)
    with running_stack(directory, announce=lambda message: console.print(message, style="dim")) as stack:
        benchmark = _Benchmark(stack, callbacks, console)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(benchmark.run(repeats))


class _Benchmark:
    def __init__(self, stack: Stack, callbacks: int, console: Console) -> None:
        self._secret = f"whsec_{secrets.token_hex(16)}"
        self._workload = make_workload(callbacks, self._secret)
        self._ground = Ground(stack, self._secret)
        self._stack = stack
        self._logs = stack.directory / "logs"
        self._servers = servers_of(stack)
        self._speeds = Speeds()
        self._machine = describe_machine(stack)
        self._progress = Progress(
            TextColumn("{task.description:<46}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    async def run(self, repeats: int) -> BenchReport:
        sides: dict[str, Callable[[], Awaitable[None]]] = {
            "pipeline": self._pipeline,
            "without Faust": self._no_faust,
            "naive": self._naive,
            "COPY": self._copy,
        }
        with self._progress as progress:
            task = progress.add_task("filling a database with payments", total=repeats * len(sides) + 1)
            await self._ground.prepare(self._workload)
            for repeat in range(1, repeats + 1):
                for name, side in sides.items():
                    progress.update(task, description=f"{name}, repeat {repeat} of {repeats}")
                    await side()
                    progress.advance(task)
            progress.update(task, description="latency at idle")
            latencies = await self._latency()
            progress.update(task, description="done", advance=1)
        return BenchReport(
            callbacks=self._count,
            naive_callbacks=self._naive_count,
            speeds=self._speeds,
            latencies_milliseconds=latencies,
            machine=self._machine,
        )

    @property
    def _count(self) -> int:
        return len(self._workload.callbacks)

    @property
    def _naive_count(self) -> int:
        return max(MINIMUM_CALLBACKS, self._count // NAIVE_PART)

    async def _pipeline(self) -> None:
        async with self._ground.fresh() as settings:
            filled = await fill_raw_topic(settings.kafka, self._workload.callbacks)
            run = await run_pipeline(settings, self._workload, self._logs / "worker.log", self._servers)
        self._speeds.producer.append(self._count / filled)
        self._speeds.pipeline.append(self._count / run.to_events_seconds)
        self._speeds.facts_committed.append(self._count / run.to_commit_seconds)
        self._speeds.note_processor_time("pipeline", run.processor_seconds, self._count)

    async def _no_faust(self) -> None:
        async with self._ground.fresh() as settings:
            await fill_raw_topic(settings.kafka, self._workload.callbacks)
            seconds = await run_without_faust(settings, self._workload)
        self._speeds.no_faust.append(self._count / seconds)

    async def _naive(self) -> None:
        async with self._ground.fresh() as settings:
            log_path = self._logs / "naive.log"
            # Kafka runs beside this side and does nothing for it.
            database = {name: process_id for name, process_id in self._servers.items() if name == "postgres"}
            seconds, used = await run_naive(settings, self._naive_count, self._secret, log_path, database)
        self._speeds.naive.append(self._naive_count / seconds)
        self._speeds.note_processor_time("naive", used, self._naive_count)

    async def _copy(self) -> None:
        async with self._ground.fresh() as settings:
            self._speeds.copy.append(self._count / await copy_rows(settings, self._workload))

    async def _latency(self) -> list[float]:
        async with self._ground.fresh() as settings:
            return await measure_latency(settings, self._workload, self._secret, self._logs, samples=SAMPLES)
