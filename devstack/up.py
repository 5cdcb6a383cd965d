"""The whole stack kept running on fixed ports, to be tried by hand."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import httpx

from bootstrap.wiring import build_database, build_key_ring
from devstack.application import Application, new_key_ring, running_application
from devstack.demo.stripe_customer import register_webhook
from devstack.local_gateways import GatewayBases, GatewaySecrets, local_gateways, open_account
from devstack.stack import Stack, running_stack

ACCOUNT = "demo"
INGRESS_PORT = 8080
API_PORT = 8081
KAFKA_PORT = 9092
POSTGRES_PORT = 5433
STRIPE_PORT = 8420
RAZORPAY_PORT = 8421
WATCH_SECONDS = 1.0


def stay_up(directory: Path, announce: Callable[[str], None]) -> NoReturn:
    """Run everything until Ctrl-C; what stops by itself is started again. Data stay in the directory."""
    own = GatewaySecrets()
    with (
        running_stack(directory, kafka_port=KAFKA_PORT, postgres_port=POSTGRES_PORT, announce=announce) as stack,
        local_gateways(
            directory / "logs", own, stripe_port=STRIPE_PORT, razorpay_port=RAZORPAY_PORT, announce=announce
        ) as bases,
    ):
        ring = _kept_key_ring(directory / "key-ring.json")
        ports = {"ingress_port": INGRESS_PORT, "api_port": API_PORT}
        with running_application(stack, ring, **ports, announce=announce) as application:
            asyncio.run(_open(application, own, bases))
            write_environment(directory / "environment", stack, ring)
            announce(how_to_try(directory, stack, own))
            while True:
                for name in application.restart_stopped():
                    announce(f"{name} had stopped and was started again; see {directory}/logs/{name}.log")
                time.sleep(WATCH_SECONDS)


def write_environment(path: Path, stack: Stack, ring: dict[str, str]) -> None:
    """Keep the variables that point the command line at this stack, readable by the owner only."""
    path.touch(mode=0o600)
    lines = [f"export {name}='{value}'" for name, value in {**stack.environment(), **ring}.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def how_to_try(directory: Path, stack: Stack, own: GatewaySecrets) -> str:
    """What a newcomer can do next. The secrets are new at every start and shown only here."""
    command = json.dumps(
        {
            "command": {
                "kind": "create_payment",
                "command_id": "first-1",
                "payment_id": "first",
                "account": ACCOUNT,
                "requested_at": "2026-01-02T03:04:05Z",
                "gateway": "stripe",
                "amount_minor": 1099,
                "currency": "USD",
                "resource_type": "order",
                "resource_id": "order-1",
            }
        }
    )
    return f"""
Everything runs. Ctrl-C stops it; the data stay in {directory}.

  ingress     http://127.0.0.1:{INGRESS_PORT}/webhooks/{{gateway}}/{ACCOUNT}
  HTTP API    http://127.0.0.1:{API_PORT}/docs
  Kafka       {stack.bootstrap_servers} ({stack.broker})
  PostgreSQL  {stack.database_url.replace("+asyncpg", "")}
  gateways    Stripe http://127.0.0.1:{STRIPE_PORT}, Razorpay http://127.0.0.1:{RAZORPAY_PORT} (local)

Secrets of account {ACCOUNT}, shown once:
  Stripe      webhook secret {own.stripe_webhook}
  Razorpay    webhook secret {own.razorpay_webhook}

In another terminal, create a payment, let Stripe report it paid, and look at it:

  source .venv/bin/activate && source {directory}/environment
  paystream commands send <<< '{command}' > first.json
  export STRIPE_WEBHOOK_SECRET={own.stripe_webhook}
  scripts/first-webhook.sh "$(python3 -c 'import json; print(json.load(open("first.json"))["provider_reference"])')"
  paystream payments show first
  paystream audit

Or over HTTP:

  export KEY=$(paystream api-keys create laptop --account {ACCOUNT} --scope admin)
  curl -s http://127.0.0.1:{API_PORT}/v1/payments -H "Authorization: Bearer $KEY"

The same with kcat:

  kcat -P -b {stack.bootstrap_servers} -t payments.commands.v1 -k first <<< '{command}'
  kcat -C -b {stack.bootstrap_servers} -t payments.events.v1 -o beginning -f '%k %h %s\\n'
"""


def _kept_key_ring(path: Path) -> dict[str, str]:
    """The key ring of this directory's data: made at the first start, readable by the owner only."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(new_key_ring()), encoding="utf-8")
    ring: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return ring


async def _open(application: Application, own: GatewaySecrets, bases: GatewayBases) -> None:
    database = build_database(application.settings, "up")
    try:
        await open_account(database, build_key_ring(application.settings.keys), ACCOUNT, own, bases)
    finally:
        await database.close()
    hook = f"{application.ingress_url}/webhooks/stripe/{ACCOUNT}"
    async with httpx.AsyncClient(timeout=10.0) as http:
        await register_webhook(http, bases.stripe, own.stripe_key, hook, own.stripe_webhook)
