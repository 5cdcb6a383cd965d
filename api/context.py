"""What the routes work with: built once per process, found on the application."""

from dataclasses import dataclass

from fastapi import Request

from bootstrap.clock import Clock
from bootstrap.rate_limits import RateLimiter
from bootstrap.settings import Settings
from services.broker import Broker
from services.commands.runner import CommandRunner
from services.gateways import ConnectorSource
from storage.sealing import KeyRing
from storage.unit_of_work import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """The parts of the process.

    `database` sees every account and is for authentication and for what operators run across accounts; everything else
    goes through `Caller.database`, which PostgreSQL keeps inside the caller's accounts. Without a `broker` the routes
    about records on Kafka answer that they are unavailable.
    """

    settings: Settings
    database: Database
    ring: KeyRing
    gateways: ConnectorSource
    limiter: RateLimiter
    clock: Clock
    broker: Broker | None = None

    def runner(self, account: str) -> CommandRunner:
        """Runs commands of one account, inside that account's scope."""
        return CommandRunner(self.database.scoped({account}), self.gateways, self.clock)


def context_of(request: Request) -> ApiContext:
    """The parts of the process that serves a request."""
    context = request.app.state.context
    assert isinstance(context, ApiContext)  # noqa: S101 - set by create_app and by nothing else
    return context
