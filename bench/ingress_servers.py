"""Granian and uvicorn, each serving a bare `200` and the whole ingress on a real broker: speeds and ratios.

Run it on a machine with a broker:

    python -m bench.ingress_servers --bootstrap-servers 127.0.0.1:9092

The bare application is the roof: no ingress on that server can be faster. Rounds are interleaved and the best of each
candidate counts, because a busy machine only ever adds; compare ratios, not absolute numbers. The broker and the client
run on the same machine: where there are few processors, processor time says more than requests per second. Granian is
left out where it is missing.
"""

import argparse
import uuid
from importlib.util import find_spec
from types import SimpleNamespace

import uvloop
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.http_load import Load, press
from bench.ingress_side import requests, serving
from bootstrap.settings import KafkaSettings
from topics.catalog import RAW_WEBHOOKS

APPLICATIONS = ("bare", "ingress")


async def compare(options: SimpleNamespace) -> None:
    """Measure every candidate in every round and print the best and the ratios."""
    servers = ["plain", "uvicorn", *(["granian"] if find_spec("granian") else [])]
    if "granian" not in servers:
        print("granian is not installed: measuring uvicorn alone")
    kafka = KafkaSettings(bootstrap_servers=options.bootstrap_servers, topic_prefix=options.topic_prefix)
    results: dict[tuple[str, str], list[Load]] = {}
    admin = AIOKafkaAdminClient(bootstrap_servers=options.bootstrap_servers)
    await admin.start()
    topic = kafka.topic(RAW_WEBHOOKS)
    try:
        await admin.create_topics([NewTopic(topic, RAW_WEBHOOKS.partitions, 1)])
        for _ in range(options.rounds):
            for server in servers:
                for application in APPLICATIONS:
                    result = await _measure(f"{server}:{application}", kafka, options)
                    results.setdefault((server, application), []).append(result)
        await admin.delete_topics([topic])
    finally:
        await admin.close()
    report(servers, results)


async def _measure(candidate: str, kafka: KafkaSettings, options: SimpleNamespace) -> Load:
    """Start one candidate, warm it up, measure it, stop it."""
    async with serving(candidate, kafka) as (port, process):
        await press(port, process, requests(), connections=options.connections, seconds=min(1.0, options.seconds))
        return await press(port, process, requests(), connections=options.connections, seconds=options.seconds)


def report(servers: list[str], results: dict[tuple[str, str], list[Load]]) -> None:
    """Print the best round of each candidate, and how far the ingress stays below the roof."""
    print(f"{'server':8} {'app':8} {'req/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'cpu us':>7}")
    for server in servers:
        best = {
            application: min(results[server, application], key=lambda result: result.processor_microseconds)
            for application in APPLICATIONS
        }
        for application, result in best.items():
            print(
                f"{server:8} {application:8} {result.per_second:8.0f} {result.p50_milliseconds:7.2f} "
                f"{result.p99_milliseconds:7.2f} {result.processor_microseconds:7.1f}"
            )
        roof, ingress = best["bare"], best["ingress"]
        print(
            f"{server:8} ingress / bare: {ingress.per_second / roof.per_second:.2f} of the requests per second, "
            f"{roof.processor_microseconds / ingress.processor_microseconds:.2f} by processor time"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap-servers", default=KafkaSettings().bootstrap_servers)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    uvloop.run(compare(SimpleNamespace(**vars(arguments), topic_prefix=f"bench-{uuid.uuid4().hex[:8]}.")))


if __name__ == "__main__":
    main()
