"""What operators ask of a process without an HTTP server of its own: /livez, /readyz and /metrics, on the metrics port.

A thread answers, from what the event loop found at its last look. So a loop that is stuck is noticed instead of asked.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from agents.lag import Lag
from agents.periodic import periodically
from agents.runtime import Runtime
from bootstrap.producer import broker_knows_topic
from bootstrap.readiness import Readiness, Report, disk_check, schema_check
from topics.spec import TopicSpec

LOOK_EVERY_SECONDS = 1.0
STUCK_SECONDS = 60.0
STALE_SECONDS = 10.0
BROKER_SECONDS = 1.5

WAITING = Gauge("paystream_lag_records", "Records that wait for the agents of this process's group.")

_NOTHING_YET = Report(ready=False, found={})


class Probes:
    """Keeps the last report and answers from it. `monotonic` is the clock that its age is told by."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._report = _NOTHING_YET
        self._looked_at = monotonic()

    def keep(self, report: Report) -> None:
        """Take what was just found."""
        self._report = report
        self._looked_at = self._monotonic()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        age_seconds = self._monotonic() - self._looked_at
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest()
        if path == "/livez":
            stuck = age_seconds > STUCK_SECONDS
            return _json(503 if stuck else 200, {"status": "stuck" if stuck else "live"})
        if path == "/readyz":
            report = self._report if age_seconds <= STALE_SECONDS else Report(ready=False, found={"loop": False})
            return _json(report.status_code, report.content())
        return _json(404, {"error": {"code": "not_found", "message": "there are /livez, /readyz and /metrics"}})

    def serve(self, port: int) -> None:
        """Answer on the port, in threads that end with the process."""
        server = ThreadingHTTPServer(("0.0.0.0", port), _handler(self))  # noqa: S104 - as prometheus_client listens
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def add_probes(app: Any, runtime: Runtime, group: str, sources: Sequence[TopicSpec]) -> None:
    """Serve the process's probes when it has a port for them. `group` is what the agents read their sources as."""
    settings = runtime.settings
    if not settings.worker.metrics_port:
        return
    probes = Probes()
    probes.serve(settings.worker.metrics_port)
    lag = Lag(settings.kafka, settings.kafka.topic_prefix + group, sources)

    async def broker() -> bool:
        return await broker_knows_topic(await runtime.producer(), settings.kafka.topic(sources[0]), BROKER_SECONDS)

    async def keeps_up() -> bool:
        waiting = await lag.records()
        WAITING.set(waiting)
        return waiting <= settings.readiness.max_lag_records

    checks = {"broker": broker, "lag": keeps_up, "database": schema_check(runtime.database)}
    readiness = Readiness(checks | disk_check(settings.readiness))

    async def look() -> None:
        probes.keep(await readiness.look())

    periodically(app, "readiness", LOOK_EVERY_SECONDS, look)


def _handler(probes: Probes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            status, content_type, body = probes.answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: probes come every few seconds."""

    return Handler


def _json(status_code: int, content: dict[str, Any]) -> tuple[int, str, bytes]:
    return status_code, "application/json", json.dumps(content).encode()
