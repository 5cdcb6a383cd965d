"""The ingress as a process of its own: two accounts, and a broker that is only reached through the test's relay."""

import asyncio
import os

import aiokafka.client

from bootstrap.logging import configure_logging
from bootstrap.settings import Settings
from webhook_ingress.server import run

RELAY_PORT_VARIABLE = "RELAY_PORT"


class TwoAccounts:
    """Knows `shop` at both gateways."""

    def knows(self, gateway: str, account: str) -> bool:
        return gateway in {"stripe", "razorpay"} and account == "shop"

    def ready(self) -> bool:
        return True

    async def start(self) -> None:
        await asyncio.sleep(0)

    async def stop(self) -> None:
        await asyncio.sleep(0)


def reach_brokers_through(port: int) -> None:
    """Open every connection to a broker to the relay: brokers tell clients addresses that would lead around it."""
    connect = aiokafka.client.create_conn

    async def through_relay(_host: str, _port: int, **options: object) -> object:
        return await connect("127.0.0.1", port, **options)

    aiokafka.client.create_conn = through_relay


if __name__ == "__main__":
    settings = Settings()
    configure_logging(settings.log, "ingress")
    reach_brokers_through(int(os.environ[RELAY_PORT_VARIABLE]))
    run(settings, TwoAccounts())
