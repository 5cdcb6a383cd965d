"""What every test of the hosted page has: a clock to put forward, a gateway with a page, a browser without a key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest

from tests.integration.api.checkout.payer import ELSEWHERE, PageGateway
from tests.integration.api.conftest import Api
from tests.integration.services.commands.shop import TESTGATE


@dataclass
class Clock:
    """The system's clock, put forward."""

    now: Callable[[], datetime]
    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return self.now() + self.ahead

    def forward(self, **much: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**much)


@pytest.fixture
def clock(api: Api) -> Clock:
    """The API's clock."""
    clock = Clock(api.context.clock)
    object.__setattr__(api.context, "clock", clock)
    return clock


@pytest.fixture
def gateway(api: Api) -> PageGateway:
    """A gateway with a page of its own."""
    gateway = PageGateway.handing_out(TESTGATE, {"redirect_url": ELSEWHERE})
    api.gateways[TESTGATE] = gateway
    return gateway


@pytest.fixture
def browser(api: Api) -> httpx.AsyncClient:
    """A payer's browser, which has no API key."""
    return api.client()
