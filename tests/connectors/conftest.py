"""Every test of the behaviour suite runs once for each registered gateway; stand-ins answer for the gateways."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from connectors.registry import registrations
from devstack.ports import accepts_connections, free_port
from devstack.processes import ManagedProcess
from tests.connectors.case import GatewayCases

START_SECONDS = 30.0


@pytest.fixture(params=[registration.key for registration in registrations()])
def cases(request: pytest.FixtureRequest) -> GatewayCases:
    """The gateway's table of cases; a gateway without one fails here."""
    module = import_module(f"tests.connectors.cases.{request.param}")
    table = module.CASES
    assert isinstance(table, GatewayCases)
    return table


@pytest.fixture(scope="session")
def local_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Stripe."""
    with serving("devstack.gateways.local_stripe", tmp_path_factory.mktemp("stripe")) as url:
        yield url


@pytest.fixture(scope="session")
def local_razorpay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Razorpay."""
    with serving("devstack.gateways.razorpay", tmp_path_factory.mktemp("razorpay")) as url:
        yield url


@contextmanager
def serving(module: str, directory: Path) -> Iterator[str]:
    """Run a stand-in in a process of its own."""
    port, process = free_port(), ManagedProcess(module)
    process.start([sys.executable, "-m", module, "--port", str(port)], directory / "server.log")
    try:
        process.wait_until(lambda: accepts_connections(port), START_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()
