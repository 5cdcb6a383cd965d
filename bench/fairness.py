"""What a flood of forged callbacks for one account does to another's: how long they wait, and behind how many records.

    python -m bench.fairness --seconds 10 --json fairness.json

Three runs on the embedded stack, each with topics and processes of its own: quiet, flooded with the limits of the
settings, and flooded without any. What counts is the number of forged records that a genuine callback waits behind: it
does not depend on the machine.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from bootstrap.settings import KafkaSettings, Settings
from bootstrap.wiring import build_database, build_key_ring
from devstack.application import new_key_ring, prepare, read_settings, running_processes
from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import running_stack
from services.accounts import create_account, set_credentials
from storage.accounts import Account
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS
from topics.message import header
from topics.spec import TopicSpec
from topics.webhooks import RawPosition

GATEWAY, SECRET = "stripe", "whsec_fairness"
FLOODED, HONEST = "flooded", "honest"
CREDENTIALS = {"secret_key": "sk_test_fair", "publishable_key": "pk_test_fair", "webhook_secret": SECRET}
HONEST_PER_SECOND = 25
FLOODING_CLIENTS = 48
PATIENCE_SECONDS = 120.0
NO_LIMIT = {"PAYSTREAM_INGRESS__RATE_LIMIT_PER_SECOND": "1e9", "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": "1000000000"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a genuine callback waited: milliseconds from raw topic to fact, and forged records that went before it."""

    milliseconds: float
    behind: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: what became of the forged posts by status, and how each genuine callback waited."""

    forged: Mapping[int, int]
    waits: Sequence[Waiting]

    def figures(self) -> dict[str, float]:
        """The figures of a run."""
        times, behind = [each.milliseconds for each in self.waits], [each.behind for each in self.waits]
        return {
            "genuine": len(self.waits),
            "p50_milliseconds": round(statistics.median(times), 1),
            "p99_milliseconds": round(_percentile(times, 99), 1),
            "p99_behind_records": _percentile(behind, 99),
            "max_behind_records": max(behind),
            "forged_taken": self.forged.get(200, 0),
            "forged_refused": self.forged.get(429, 0) + self.forged.get(503, 0),
        }


def callback(number: int, *, marker: str) -> bytes:
    """An event of Stripe's that says nothing about money, so that only the way of callbacks is measured."""
    intent = {"id": f"pi_{marker}_{number}", "object": "payment_intent", "status": "requires_payment_method"}
    event = {"id": f"evt_{marker}_{number}", "object": "event", "created": int(time.time()), "livemode": False}
    return json.dumps(event | {"type": "payment_intent.created", "data": {"object": intent}}).encode()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The header Stripe sends."""
    now = int(time.time())
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={now},v1={digest}"}


async def open_accounts(settings: Settings) -> None:
    """Create the account that is flooded and the one that is not."""
    database = build_database(settings, "fairness")
    try:
        for account in (FLOODED, HONEST):
            await create_account(database, Account(account, account, 0, 0))
            await set_credentials(database, build_key_ring(settings.keys), account, GATEWAY, CREDENTIALS)
    finally:
        await database.close()


async def flood(ingress_url: str, until: asyncio.Event, clients: int = FLOODING_CLIENTS) -> Counter[int]:
    """Post forged callbacks for one account as fast as the ingress answers; return how it answered."""
    statuses: Counter[int] = Counter()
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(limits=limits, timeout=30) as http:

        async def keep_posting(client: int) -> None:
            number = 0
            while not until.is_set():
                body = callback(number, marker=f"forged{client}")
                url = f"{ingress_url}/webhooks/{GATEWAY}/{FLOODED}"
                response = await http.post(url, content=body, headers=signed(body, "whsec_of_a_thief"))
                statuses[response.status_code] += 1
                number += 1

        await asyncio.gather(*map(keep_posting, range(clients)))
    return statuses


async def post_honestly(ingress_url: str, account: str, count: int, address: str = "127.0.0.1") -> Counter[int]:
    """Post genuine callbacks at a steady pace from an address of this machine; return how the ingress answered."""
    statuses: Counter[int] = Counter()
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(transport=transport, timeout=30) as http:
        for number in range(count):
            body = callback(number, marker=f"genuine_{account}")
            response = await http.post(
                f"{ingress_url}/webhooks/{GATEWAY}/{account}", content=body, headers=signed(body)
            )
            statuses[response.status_code] += 1
            await asyncio.sleep(1 / HONEST_PER_SECOND)
    return statuses


async def waits_on_the_topics(kafka: KafkaSettings, genuine: int, forged: int) -> list[Waiting]:
    """Read from the topics how each genuine callback waited, once all of them have been judged."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        facts, rejected = await _records(kafka, GATEWAY_EVENTS), await _records(kafka, REJECTED_WEBHOOKS)
        if len(facts) >= genuine and len(rejected) >= forged:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{len(facts)} of {genuine} and {len(rejected)} of {forged} callbacks were judged in time"
            )
        await asyncio.sleep(0.5)
    # Read last, so that whatever was judged is there.
    arrived = {(each.partition, each.offset): each.timestamp for each in await _records(kafka, RAW_WEBHOOKS)}
    spans = [(arrived[_position(record)], record.timestamp) for record in rejected]
    waits = []
    for fact in facts:
        came = arrived[_position(fact)]
        behind = sum(before <= came < judged <= fact.timestamp for before, judged in spans)
        waits.append(Waiting(fact.timestamp - came, behind))
    return waits


async def run_once(
    settings: Settings, variables: Mapping[str, str], logs: Path, *, seconds: float, flooded: bool
) -> Outcome:
    """Run the processes, post genuine callbacks for so many seconds, flooded or not, and see how they waited."""
    await prepare(settings)
    await open_accounts(settings)
    count = int(seconds * HONEST_PER_SECOND)
    with running_processes(logs, variables) as application:
        # The worker is up once it has judged something.
        await post_honestly(application.ingress_url, HONEST, 1)
        await waits_on_the_topics(settings.kafka, 1, 0)
        ended = asyncio.Event()
        if not flooded:
            ended.set()
        flooding = asyncio.create_task(flood(application.ingress_url, ended))
        try:
            statuses = await post_honestly(application.ingress_url, HONEST, count)
        finally:
            ended.set()
            forged = await flooding
        waits = await waits_on_the_topics(settings.kafka, 1 + statuses[200], forged[200])
    return Outcome(forged, waits)


def run(directory: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Run all three on one embedded stack."""
    figures = {}
    with running_stack(directory) as stack:
        for name, flooded, extra in (("quiet", False, {}), ("flooded", True, {}), ("without limits", True, NO_LIMIT)):
            database = f"fairness_{name.replace(' ', '_')}"
            asyncio.run(create_database_async(stack.database_url, database))
            variables = {
                **stack.environment(),
                **new_key_ring(),
                **extra,
                "PAYSTREAM_KAFKA__TOPIC_PREFIX": f"{database}.",
                "PAYSTREAM_DATABASE__URL": database_url(stack.database_url, database),
            }
            sys.stderr.write(f"{name} ...\n")
            logs = stack.directory / "logs" / database
            once = run_once(read_settings(variables), variables, logs, seconds=seconds, flooded=flooded)
            figures[name] = asyncio.run(once).figures()
            with suppress(OSError):
                asyncio.run(drop_database_async(stack.database_url, database))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--directory", type=Path, default=Path(".paystream/fairness"))
    options = parser.parse_args()
    figures = run(options.directory, options.seconds)
    for name, row in figures.items():
        print(f"{name:<15}" + "  ".join(f"{key} {value:g}" for key, value in row.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


async def _records(kafka: KafkaSettings, spec: TopicSpec) -> list[ConsumerRecord]:
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as reader:
        partitions = [TopicPartition(kafka.topic(spec), number) for number in range(spec.partitions)]
        reader.assign(partitions)
        ends = await reader.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while any([await reader.position(each) < ends[each] for each in partitions]):
            batches = await reader.getmany(timeout_ms=200)
            found.extend(record for batch in batches.values() for record in batch)
    return found


def _position(record: ConsumerRecord) -> tuple[int, int]:
    position = RawPosition.from_headers(record.headers)
    if position is None:
        raise LookupError(f"{record.topic} has a record that came of no callback: {header(record.headers, 'ce_id')}")
    return position.partition, position.offset


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    main()
