"""Whether a gateway takes an account's credentials: found out by asking for a payment that cannot exist."""

import secrets
from dataclasses import dataclass
from typing import Literal

from connectors.base import FetchesStatus, NamesPayments, StatusRequest
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, PaystreamError
from services.gateways import ConnectorSource

CREDENTIALS_REFUSED = "credentials_refused"

Outcome = Literal["accepted", "credentials_refused", "unavailable", "not_supported"]


@dataclass(frozen=True, slots=True)
class GatewayCheck:
    """What came of it; `message` is for people and may quote the gateway."""

    outcome: Outcome
    message: str

    @property
    def is_accepted(self) -> bool:
        """Whether the gateway answered and took the credentials."""
        return self.outcome == "accepted"


async def check_gateway(gateways: ConnectorSource, account: str, gateway: str) -> GatewayCheck:
    """Call the gateway with a harmless read. Raises NotFound when the account has no credentials there.

    The call goes past the account's circuit: it neither counts against it nor waits for it. A gateway that only says no
    to the payment has taken the credentials. Secrets that only callbacks are proven with are not tried.
    """
    try:
        connector = await gateways.connector(account, gateway)
        if not isinstance(connector, FetchesStatus):
            return GatewayCheck("not_supported", "this gateway's API has no read that would try the credentials")
        await connector.fetch_status(_request(connector, account))
    except GatewayError as error:
        return _check_of(error)
    return GatewayCheck("accepted", "the gateway answered and took the credentials")


def _request(connector: object, account: str) -> StatusRequest:
    nobodys = f"paystreamtest{secrets.token_hex(8)}"
    reference = connector.payment_name(nobodys) if isinstance(connector, NamesPayments) else nobodys
    return StatusRequest(payment_id=None, account=account, provider_reference=reference)


def _check_of(error: PaystreamError) -> GatewayCheck:
    if error.code == CREDENTIALS_REFUSED:
        return GatewayCheck("credentials_refused", error.message)
    if isinstance(error, GatewayRejected | GatewayDeclined):
        return GatewayCheck("accepted", f"the gateway answered: {error.message}")
    return GatewayCheck("unavailable", error.message)
