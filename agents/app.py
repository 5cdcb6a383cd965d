"""Faust's settings, in one place, and how its worker is started."""

import sys
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any

import mode.loop

# The event loop must be chosen before Faust is imported for the first time, so these imports cannot stand above (E402).
mode.loop.use("uvloop")

import faust  # noqa: E402 - after the loop

from agents.faust_patches import apply_patches  # noqa: E402 - after the loop
from agents.guard import stop_on_escape  # noqa: E402 - after the loop
from agents.raw_schema import RawSchema  # noqa: E402 - after the loop
from bootstrap.garbage_collection import tune_garbage_collection  # noqa: E402 - after the loop
from bootstrap.settings import KafkaSettings  # noqa: E402 - after the loop
from topics.spec import TopicSpec  # noqa: E402 - after the loop

BUFFER_SIZE = 65_536
MAX_POLL_INTERVAL_SECONDS = 1_000.0


def build_app(app_id: str, kafka: KafkaSettings) -> Any:
    """Make a Faust app that is lossless: acknowledge after effect, one consumer per agent, drain on SIGTERM."""
    apply_patches()
    return faust.App(
        kafka.topic_prefix + app_id,
        broker=f"kafka://{kafka.bootstrap_servers.replace(',', ';')}",
        store="memory://",
        datadir=tempfile.mkdtemp(prefix=f"{app_id}-"),
        key_serializer="raw",
        value_serializer="raw",
        autodiscover=False,
        web_enabled=False,
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=8,
        stream_wait_empty=True,
        stream_buffer_maxsize=BUFFER_SIZE,
        broker_commit_interval=1.0,
        broker_session_timeout=10,
        broker_heartbeat_interval=3,
        # Longer than a gateway may take to answer: whoever leaves the group over it starts the next rebalance.
        broker_rebalance_timeout=60,
        broker_max_poll_interval=MAX_POLL_INTERVAL_SECONDS,
        producer_linger=0.005,
        producer_max_batch_size=131_072,
        worker_redirect_stdouts=False,
    )


def add_agent(
    app: Any,
    kafka: KafkaSettings,
    source: TopicSpec,
    name: str,
    body: Callable[[Any], Coroutine[Any, Any, None]],
) -> None:
    """Let an agent read a topic as raw bytes; whatever escapes it stops the process."""
    topic = app.topic(kafka.topic(source), schema=RawSchema(key_type=bytes, value_type=bytes))
    agent = app.agent(topic, name=name, concurrency=1)(body)
    agent._on_error = stop_on_escape  # noqa: SLF001 - the public argument raises TypeError in the pinned version


def run_app(app: Any) -> None:
    """Run a worker until SIGTERM or SIGINT; exits the process."""
    tune_garbage_collection()
    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False, debug=False)
    sys.exit(worker.execute_from_commandline())
