"""Creates topics, and says where a cluster's topics differ from the catalog. Nothing is ever altered or deleted."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from domain.errors import PaystreamError
from topics.spec import TopicSpec

RETRY_INTERVAL_SECONDS = 0.1


class TopicOutcome(StrEnum):
    """What was found when a topic was asked for."""

    CREATED = "created"
    PRESENT = "already there"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicReport:
    """One topic of the cluster, by its full name. `differences` are phrases for people, empty when there are none."""

    name: str
    outcome: TopicOutcome
    differences: tuple[str, ...] = ()


async def create_topics(
    bootstrap_servers: str,
    specs: Sequence[TopicSpec],
    *,
    prefix: str = "",
    replication_factor: int = 1,
    timeout_seconds: float = 30.0,
) -> tuple[TopicReport, ...]:
    """Create the topics that are missing, wait until every partition has a leader, and report on each topic.

    Topics that are already there are compared, never changed. `timeout_seconds` bounds each of the two. Raises
    PaystreamError with code `broker_unavailable` when the broker does not answer, `topic_refused` when it will not
    create a topic, and `topic_without_leader` when a partition stays without one.
    """
    wanted = {prefix + spec.name: spec for spec in specs}
    client = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers,
        client_id="paystream-topics",
        request_timeout_ms=int(timeout_seconds * 1000),
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            await client.start()
            created = await _create_missing(client, wanted, replication_factor)
        found = await _wait_for_leaders(client, wanted, timeout_seconds)
        configs = await _read_configs(client, [name for name in wanted if name not in created])
    except (KafkaError, TimeoutError) as error:
        raise PaystreamError(
            f"the Kafka broker at {bootstrap_servers} does not answer: {error!r}", code="broker_unavailable"
        ) from error
    finally:
        await client.close()
    return tuple(
        _created(name) if name in created else _compared(name, spec, found[name], configs[name], replication_factor)
        for name, spec in wanted.items()
    )


async def _create_missing(
    client: AIOKafkaAdminClient, wanted: Mapping[str, TopicSpec], replication_factor: int
) -> set[str]:
    """Ask for every topic, and again where the cluster is not ready to answer; returns the names that are new."""
    created: set[str] = set()
    pending = set(wanted)
    while pending:
        answer = await client.create_topics(
            [
                NewTopic(name, wanted[name].partitions, replication_factor, topic_configs=wanted[name].config)
                for name in sorted(pending)
            ]
        )
        for name, code, message in answer.topic_errors:
            error = for_code(code)
            if error.retriable:
                continue
            pending.discard(name)
            if code == 0:
                created.add(name)
            elif error is not TopicAlreadyExistsError:
                reason = message or error.description
                raise PaystreamError(f"the broker will not create {name}: {reason}", code="topic_refused")
        if pending:
            await asyncio.sleep(RETRY_INTERVAL_SECONDS)
    return created


async def _wait_for_leaders(
    client: AIOKafkaAdminClient, wanted: Mapping[str, TopicSpec], timeout_seconds: float
) -> dict[str, Mapping[str, Any]]:
    """Return the topics as the cluster describes them, once each of their partitions has a leader."""
    found: dict[str, Mapping[str, Any]] = {}
    leaderless = sorted(wanted)
    try:
        async with asyncio.timeout(timeout_seconds):
            while leaderless:
                found = {topic["topic"]: topic for topic in await client.describe_topics(list(wanted))}
                leaderless = sorted(name for name in wanted if not _has_leaders(found.get(name)))
                if leaderless:
                    await asyncio.sleep(RETRY_INTERVAL_SECONDS)
    except TimeoutError as error:
        names = ", ".join(leaderless)
        raise PaystreamError(f"partitions without a leader in: {names}", code="topic_without_leader") from error
    return found


def _has_leaders(topic: Mapping[str, Any] | None) -> bool:
    if topic is None or topic["error_code"] or not topic["partitions"]:
        return False
    return all(partition["leader"] >= 0 for partition in topic["partitions"])


async def _read_configs(client: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the settings of topics, empty for one whose settings we may not read."""
    if not names:
        return {}
    # All settings are asked for, because a broker exists that hangs up when only some are.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for answer in await client.describe_configs(resources):
        for resource in answer.to_object()["resources"]:
            entries = resource["config_entries"]
            configs[resource["resource_name"]] = {entry["config_names"]: entry["config_value"] for entry in entries}
    return configs


def _created(name: str) -> TopicReport:
    return TopicReport(name=name, outcome=TopicOutcome.CREATED)


def _compared(
    name: str, spec: TopicSpec, topic: Mapping[str, Any], config: Mapping[str, str], replication_factor: int
) -> TopicReport:
    differences = tuple(_differences(spec, topic["partitions"], config, replication_factor))
    outcome = TopicOutcome.DIFFERENT if differences else TopicOutcome.PRESENT
    return TopicReport(name=name, outcome=outcome, differences=differences)


def _differences(
    spec: TopicSpec, partitions: Sequence[Mapping[str, Any]], config: Mapping[str, str], replication_factor: int
) -> Iterator[str]:
    """Say what is not as declared. More replicas than asked for are no difference: nothing is lost by them."""
    if len(partitions) != spec.partitions:
        yield f"{len(partitions)} partitions instead of {spec.partitions}"
    fewest = min(len(partition["replicas"]) for partition in partitions)
    if fewest < replication_factor:
        yield f"{fewest} replicas instead of {replication_factor}"
    if not config:
        yield "settings that cannot be read"
        return
    for name, value in spec.config.items():
        if name in config and config[name] != value:
            yield f"{name} {config[name]} instead of {value}"
