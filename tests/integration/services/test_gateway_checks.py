"""Trying credentials really asks each gateway, and tells right ones from wrong ones."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from connectors.base import FetchesStatus
from connectors.registry import get_registration
from devstack.ports import free_port
from services.gateway_checks import GatewayCheck, check_gateway
from services.gateways import ConnectorSource
from tests.gateways.serving import serving
from tests.integration.gateways.journey import Journey

CALLBACKS = "https://shop.example/webhooks"
SECRETS = {
    "razorpay": "key_secret",
    "phonepe": "client_secret",
    "phonepe_v1": "salt_key",
    "paytabs": "server_key",
    "square": "access_token",
    "klarna": "password",
    "paypal": "client_secret",
    "bitpay": "pos_token",
}
"""What each gateway's stand-in knows its callers by."""


class OneAccount(ConnectorSource):
    """Builds connectors of one gateway."""

    def __init__(self, gateway: str, credentials: Mapping[str, Any]) -> None:
        registration = get_registration(gateway)
        self.made = registration.factory(registration.credentials.model_validate(dict(credentials)))

    async def connector(self, account: str, gateway: str) -> object:
        return self.made


async def check(gateway: str, credentials: Mapping[str, Any]) -> GatewayCheck:
    """Try credentials."""
    source = OneAccount(gateway, credentials)
    assert isinstance(source.made, FetchesStatus)
    try:
        return await check_gateway(source, "acme", gateway)
    finally:
        await source.made.aclose()  # type: ignore[attr-defined]  # every connector of the house that calls has it


@pytest.mark.parametrize("gateway", SECRETS)
async def test_right_credentials_are_told_from_wrong_ones(gateway: str, tmp_path: Path) -> None:
    journey = import_module(f"tests.integration.gateways.journeys.{gateway}").JOURNEY
    assert isinstance(journey, Journey)
    with serving(journey.server, tmp_path) as url:
        credentials = dict(journey.credentials(url, CALLBACKS))
        wrong = str(credentials[SECRETS[gateway]])[:-2] + "Zz"

        right = await check(gateway, credentials)
        refused = await check(gateway, {**credentials, SECRETS[gateway]: wrong})
    gone = await check(gateway, {**credentials, "api_base": f"http://127.0.0.1:{free_port()}"})

    assert (right.outcome, refused.outcome, gone.outcome) == ("accepted", "credentials_refused", "unavailable")
    assert wrong not in right.message + refused.message + gone.message
