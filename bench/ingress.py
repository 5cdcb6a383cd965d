"""The benchmark of the ingress: stored callbacks beside bare answers and the bare producer, in turn, in one run."""

import asyncio
import itertools
import secrets
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from bench.http_load import Load, pace, press
from bench.ingress_side import PATH, REQUEST, requests, serving
from bench.machine import describe_machine
from bench.steps import Steps
from bootstrap.producer import build_producer
from bootstrap.settings import KafkaSettings
from devstack.stack import Stack
from topics.admin import create_topics
from topics.catalog import RAW_WEBHOOKS

WARM_UP_SECONDS = 1.0
PEAK_CONNECTIONS = 128
PACE_CONNECTIONS = 64
PRODUCED_AT_ONCE = 1_000
HALF = 0.5


@dataclass(slots=True)
class _Rounds:
    bare: list[Load] = field(default_factory=list)
    ingress: list[Load] = field(default_factory=list)
    half: list[Load] = field(default_factory=list)
    producer_per_second: list[float] = field(default_factory=list)


async def measure_ingress(stack: Stack, steps: Steps, *, seconds: float, repeats: int) -> dict[str, Any]:
    """Press all sides `repeats` times for so many seconds each; returns the figures."""
    kafka = KafkaSettings(
        bootstrap_servers=stack.bootstrap_servers,
        idempotence=stack.idempotence,
        topic_prefix=f"bench-{secrets.token_hex(3)}.",
    )
    await create_topics(kafka.bootstrap_servers, [RAW_WEBHOOKS], prefix=kafka.topic_prefix)
    rounds, machine = _Rounds(), describe_machine(stack)
    for repeat in range(1, repeats + 1):
        with steps.step(f"a bare 200, repeat {repeat} of {repeats}"):
            rounds.bare.append((await _press("plain:bare", kafka, seconds))[0])
        with steps.step(f"the ingress, repeat {repeat} of {repeats}"):
            peak, half = await _press("uvicorn:ingress", kafka, seconds, then_half=True)
            rounds.ingress.append(peak)
            rounds.half += half
        with steps.step(f"the bare producer, repeat {repeat} of {repeats}"):
            rounds.producer_per_second.append(await _produce(kafka, seconds))
    return _figures(rounds, repeats) | {"machine": machine}


async def _press(
    candidate: str, kafka: KafkaSettings, seconds: float, *, then_half: bool = False
) -> tuple[Load, list[Load]]:
    """Find a candidate's peak, and then, where that is wanted, how quick it is at half of it."""
    async with serving(candidate, kafka) as (port, process):
        await press(port, process, requests(), connections=PEAK_CONNECTIONS, seconds=WARM_UP_SECONDS)
        peak = await press(port, process, requests(), connections=PEAK_CONNECTIONS, seconds=seconds)
        if not then_half:
            return peak, []
        rate = peak.per_second * HALF
        paced = itertools.islice(requests(), max(100, int(rate * seconds)))
        return peak, [await pace(port, process, paced, connections=PACE_CONNECTIONS, per_second=rate)]


async def _produce(kafka: KafkaSettings, seconds: float) -> float:
    """Send records as large as the ingress', by our producer and without HTTP; returns how many a second."""
    body = REQUEST % 0
    headers = [("ps_path", PATH.encode()), ("ps_http_headers", body[:400])]
    producer = build_producer(kafka, client_id="bench")
    await producer.start()
    try:
        topic, sent, started = kafka.topic(RAW_WEBHOOKS), 0, time.perf_counter()
        while time.perf_counter() < started + seconds:
            keys = (secrets.token_hex(32).encode() for _ in range(PRODUCED_AT_ONCE))
            await asyncio.gather(*[await producer.send(topic, body, key, headers=headers) for key in keys])
            sent += PRODUCED_AT_ONCE
        return sent / (time.perf_counter() - started)
    finally:
        await producer.stop()


def _figures(rounds: _Rounds, repeats: int) -> dict[str, Any]:
    bare_cpu = statistics.median(load.processor_microseconds for load in rounds.bare)
    ingress_cpu = statistics.median(load.processor_microseconds for load in rounds.ingress)
    bare = statistics.median(load.per_second for load in rounds.bare)
    ingress = statistics.median(load.per_second for load in rounds.ingress)
    producer = statistics.median(rounds.producer_per_second)
    return {
        "bench": "ingress",
        "ratio_to_bare_asgi": round(bare_cpu / ingress_cpu, 3),
        "ratio_to_bare_asgi_by_rate": round(ingress / bare, 3),
        "ratio_to_raw_producer": round(ingress / producer, 3),
        "p50_ms_at_half_peak": round(statistics.median(load.p50_milliseconds for load in rounds.half), 2),
        "p99_ms_at_half_peak": round(statistics.median(load.p99_milliseconds for load in rounds.half), 2),
        "ingress_per_second": round(ingress, 1),
        "bare_per_second": round(bare, 1),
        "producer_per_second": round(producer, 1),
        "half_peak_per_second": round(statistics.median(load.per_second for load in rounds.half), 1),
        "ingress_cpu_us": round(ingress_cpu, 1),
        "bare_cpu_us": round(bare_cpu, 1),
        "repeats": repeats,
        "runs": {
            "bare_cpu_us": [round(load.processor_microseconds, 1) for load in rounds.bare],
            "ingress_cpu_us": [round(load.processor_microseconds, 1) for load in rounds.ingress],
            "p99_ms_at_half_peak": [round(load.p99_milliseconds, 2) for load in rounds.half],
        },
        "charts": [
            {
                "kind": "bars",
                "title": "Taking callbacks in: a second, one process",
                "bars": [
                    ["a bare 200", round(bare)],
                    ["the bare producer", round(producer)],
                    ["the ingress, stored and confirmed", round(ingress)],
                ],
            }
        ],
    }
