"""Faust beside plain aiokafka on Apache Kafka: speeds, idle latency, readiness, and how long a killed reader is missed.

    python -m bench.faust.compare --repeat 3

Each mode runs in a process of its own, in turn, so that a busy machine slows all alike. Compare ratios.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.faust.source import RECORDS, SINK, SOURCE, record
from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings
from devstack.stack import Stack, running_stack
from topics.admin import create_topics

SPEEDS = ("raw", "take-unpatched", "take", "forward-topic", "forward-producer", "forward-batches")
LATENCIES = ("latency-1500", "latency-50")
TIMEOUT_SECONDS = 120.0


class Comparison:
    """Runs modes on one stack."""

    def __init__(self, stack: Stack) -> None:
        self._environment = os.environ | stack.environment()
        self._servers = stack.bootstrap_servers

    def figures(self, mode: str, *, filled: bool) -> Mapping[str, float]:
        """Run a mode on topics of its own and return what it printed."""
        with self._start(mode, self._new_topics(RECORDS if filled else 0)) as process:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        return read_figures(output)

    def readiness(self) -> tuple[float, float]:
        """Seconds from starting a process to its first record, in a new group and after a kill -9 of the last one."""
        prefix = self._new_topics(1)
        seconds = []
        for _ in range(2):
            started = time.time()
            with self._start("ready", prefix) as process:
                line = process.stdout.readline() if process.stdout else ""
                seconds.append(read_figures(line)["at"] - started)
                process.kill()
        return seconds[0], seconds[1]

    def _new_topics(self, records: int) -> str:
        prefix = f"modes-{secrets.token_hex(3)}."
        asyncio.run(self._fill(prefix, records))
        return prefix

    async def _fill(self, prefix: str, records: int) -> None:
        await create_topics(self._servers, (SOURCE, SINK), prefix=prefix)
        kafka = KafkaSettings(bootstrap_servers=self._servers, topic_prefix=prefix)
        producer = build_producer(kafka, client_id="modes")
        await producer.start()
        topic = kafka.topic(SOURCE)
        sent = [
            await producer.send(
                topic, key=str(number).encode(), value=record(number), partition=number % SOURCE.partitions
            )
            for number in range(records)
        ]
        await asyncio.gather(*sent)
        await producer.stop()

    def _start(self, mode: str, prefix: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - the command is ours, without a shell
            [sys.executable, "-m", "bench.faust.modes", mode, prefix],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def read_figures(output: str) -> Mapping[str, float]:
    """Find the figures among what a terminal library may print beside them. Raises ValueError without any."""
    for line in output.splitlines():
        start = line.find("{")
        if start >= 0:
            found: Mapping[str, float] = json.loads(line[start:])
            return found
    raise ValueError(f"no figures in {output!r}")


def main() -> None:
    """Run everything and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=Path(".paystream/faust"))
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with running_stack(arguments.directory) as stack:
        comparison = Comparison(stack)
        speeds: dict[str, list[float]] = {mode: [] for mode in SPEEDS}
        for _ in range(arguments.repeat):
            for mode in SPEEDS:
                speeds[mode].append(comparison.figures(mode, filled=True)["per_second"])
        for mode, found in speeds.items():
            print(f"{mode:<18} {statistics.median(found):>10,.0f}/s   {' '.join(f'{one:,.0f}' for one in found)}")
        for mode in LATENCIES:
            latency = comparison.figures(mode, filled=False)
            print(f"{mode:<18} p50 {latency['p50_milliseconds']:.0f} ms, p99 {latency['p99_milliseconds']:.0f} ms")
        ready = [comparison.readiness() for _ in range(arguments.repeat)]
        for name, taken in zip(("ready, new group", "ready after kill -9"), zip(*ready, strict=True), strict=True):
            print(f"{name:<18} {statistics.median(taken):.1f} s   {' '.join(f'{one:.1f}' for one in taken)}")


if __name__ == "__main__":
    main()
