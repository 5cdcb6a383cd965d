"""Serves the ingress over HTTP/1.1 until SIGTERM, and then finishes what it has accepted."""

import math
import resource
import signal

import uvicorn
from starlette.types import ASGIApp

from bootstrap.garbage_collection import tune_garbage_collection
from bootstrap.http_protocol import BoundedConfig, BoundedProtocol, ConnectionLimits
from bootstrap.settings import IngressSettings, Settings
from connectors.registry import load_entry_points
from webhook_ingress.app import Ingress, create_app
from webhook_ingress.directory import AccountDirectory
from webhook_ingress.protocol import CallbackProtocol, IngressConfig

ARRIVAL_SECONDS = 10.0
MAX_CONNECTIONS = 10_000
KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep idle connections, so that it is never we who close one they are about to use."""

OTHER_FILES = 200
"""Open files that are no client's connection: the broker's, the database's, libraries."""

GRACE_SECONDS = 2


def run(settings: Settings, directory: AccountDirectory) -> None:
    """Serve until SIGTERM or SIGINT; return when every request that had arrived is answered."""
    load_entry_points()
    server = uvicorn.Server(server_config(create_app(settings, directory), settings.ingress))
    # Uvicorn raises the signal again once it is done; with these handlers that does not kill the process half way out.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    tune_garbage_collection()
    server.run()


def server_config(app: ASGIApp, ingress: IngressSettings) -> BoundedConfig:
    """Everything uvicorn is told."""
    config = IngressConfig(
        app,
        http=CallbackProtocol if isinstance(app, Ingress) else BoundedProtocol,
        host=ingress.host,
        port=ingress.port,
        loop="uvloop",
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # The peer's address is recorded as it is; what a proxy says of its client is among the stored headers.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(ingress.acknowledge_timeout_seconds) + GRACE_SECONDS,
    )
    config.limits = ConnectionLimits(
        max_header_bytes=ingress.max_header_bytes, arrival_seconds=ARRIVAL_SECONDS, max_connections=affordable()
    )
    if isinstance(app, Ingress):
        config.callbacks = app.callbacks
    return config


def affordable() -> int:
    """Return how many connections this process may have, having asked the system for as many as we want.

    Without a file left for it, a connection could not even be turned away, and would wait in the system's queue.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if soft < wanted and soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, soft - OTHER_FILES))
