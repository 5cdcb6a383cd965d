"""Every gateway that posts callbacks, with its table of cases and an agent that judges them."""

from importlib import import_module

import pytest

from connectors.base import Capability
from connectors.registry import registrations
from tests.connectors.case import GatewayCases

POSTING = [item.key for item in registrations() if item.has(Capability.VERIFIES_WEBHOOKS)]


@pytest.fixture(params=POSTING)
def cases(request: pytest.FixtureRequest) -> GatewayCases:
    """The table of cases of a gateway that posts callbacks; a gateway without a table fails here."""
    table = import_module(f"tests.connectors.cases.{request.param}").CASES
    assert isinstance(table, GatewayCases)
    return table
