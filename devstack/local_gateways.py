"""The local Stripe and Razorpay as processes, and an account that has credentials at both."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devstack.application import answers
from devstack.ports import chosen_port
from devstack.processes import ManagedProcess
from services.accounts import create_account, set_credentials
from storage.accounts import Account
from storage.sealing import KeyRing
from storage.unit_of_work import Database

STARTING_SECONDS = 30.0
FEE_BASIS_POINTS = 290
FEE_FIXED_MINOR = 30


def _secret(variable: str, prefix: str, size: int) -> str:
    return field(default_factory=lambda: os.environ.get(variable) or f"{prefix}{secrets.token_hex(size)}", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySecrets:
    """Keys and secrets of one merchant at the local gateways: from the environment, else made up anew."""

    stripe_key: str = _secret("PAYSTREAM_LOCAL_STRIPE_SECRET_KEY", "sk_test_", 12)
    stripe_webhook: str = _secret("PAYSTREAM_LOCAL_STRIPE_WEBHOOK_SECRET", "whsec_", 16)
    razorpay_key_id: str = _secret("PAYSTREAM_LOCAL_RAZORPAY_KEY_ID", "rzp_test_", 7)
    razorpay_key_secret: str = _secret("PAYSTREAM_LOCAL_RAZORPAY_KEY_SECRET", "", 12)
    razorpay_webhook: str = _secret("PAYSTREAM_LOCAL_RAZORPAY_WEBHOOK_SECRET", "", 16)


@dataclass(frozen=True, slots=True)
class GatewayBases:
    """Addresses of the local gateways' APIs."""

    stripe: str
    razorpay: str


@contextmanager
def local_gateways(
    log_directory: Path,
    own: GatewaySecrets,
    *,
    stripe_port: int | None = None,
    razorpay_port: int | None = None,
    announce: Callable[[str], None],
) -> Iterator[GatewayBases]:
    """Run both gateways; yields their addresses once they answer."""
    announce("Starting the local Stripe (localstripe) and the local Razorpay")
    keys = ["--key-id", own.razorpay_key_id, "--key-secret", own.razorpay_key_secret]
    stripe = _Gateway("local_stripe", chosen_port(stripe_port, "the local Stripe"), [], "/js.stripe.com/v3/")
    razorpay = _Gateway("razorpay", chosen_port(razorpay_port, "the local Razorpay"), keys, "/_control/ready")
    try:
        for gateway in (stripe, razorpay):
            gateway.start(log_directory)
        for gateway in (stripe, razorpay):
            gateway.process.wait_until(partial(answers, f"{gateway.base}{gateway.probe}"), STARTING_SECONDS)
        yield GatewayBases(stripe.base, razorpay.base)
    finally:
        for gateway in (stripe, razorpay):
            gateway.process.stop()


class _Gateway:
    """One gateway's process."""

    def __init__(self, module: str, port: int, arguments: list[str], probe: str) -> None:
        self.process = ManagedProcess(module)
        self.base = f"http://127.0.0.1:{port}"
        self.probe = probe
        self._command = [sys.executable, "-m", f"devstack.gateways.{module}", "--port", str(port), *arguments]

    def start(self, log_directory: Path) -> None:
        self.process.start(self._command, log_directory / f"{self.process.name}.log")


async def open_account(
    database: Database, ring: KeyRing, account: str, own: GatewaySecrets, bases: GatewayBases
) -> None:
    """Create an account with a fee, and give it its credentials at the local gateways."""
    await create_account(database, Account(account, account, FEE_BASIS_POINTS, FEE_FIXED_MINOR))
    stripe = {
        "secret_key": own.stripe_key,
        "publishable_key": "pk_test_local",
        "webhook_secret": own.stripe_webhook,
        "api_base": bases.stripe,
    }
    razorpay = {
        "key_id": own.razorpay_key_id,
        "key_secret": own.razorpay_key_secret,
        "webhook_secret": own.razorpay_webhook,
        "api_base": bases.razorpay,
    }
    await set_credentials(database, ring, account, "stripe", stripe)
    await set_credentials(database, ring, account, "razorpay", razorpay)
