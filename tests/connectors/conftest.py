"""Every test of the behaviour suite runs once for each registered gateway."""

from importlib import import_module

import pytest

from connectors.registry import registrations
from tests.connectors.case import GatewayCases


@pytest.fixture(params=[registration.key for registration in registrations()])
def cases(request: pytest.FixtureRequest) -> GatewayCases:
    """The gateway's table of cases; a gateway without one fails here."""
    module = import_module(f"tests.connectors.cases.{request.param}")
    table = module.CASES
    assert isinstance(table, GatewayCases)
    return table
