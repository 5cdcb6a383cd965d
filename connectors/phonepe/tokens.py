"""How PhonePe's access tokens are fetched."""

import time

from connectors.access_tokens import IssuedToken, token_in
from connectors.http_client import Effect, GatewayHttp
from connectors.outcomes import credentials_refused
from connectors.payloads import Payload
from connectors.phonepe.errors import GATEWAY_NAME, read_answer
from connectors.phonepe.registration import PhonePeCredentials
from domain.errors import GatewayRejected, MalformedPayload

PATHS = {
    "production": "/apis/identity-manager/v1/oauth/token",
    "sandbox": "/apis/pg-sandbox/v1/oauth/token",
}


async def fetch_token(http: GatewayHttp, credentials: PhonePeCredentials) -> IssuedToken:
    """Ask PhonePe for a token. Raises the house's errors, MalformedPayload for a success without one."""
    form = {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.get_secret_value(),
        "client_version": str(credentials.client_version),
        "grant_type": "client_credentials",
    }
    # Asking twice brings two good tokens, so it may be sent again as a read may.
    response = await http.send("POST", PATHS[credentials.environment], Effect.READS, form=form)
    try:
        return read_token(read_answer(response))
    except GatewayRejected:
        # What is asked for here is nothing but our credentials.
        raise credentials_refused(GATEWAY_NAME, f"HTTP {response.status_code}") from None


def read_token(answer: Payload) -> IssuedToken:
    """Read a token. How long it lasts is reckoned on PhonePe's own clock, so that ours need not agree with it.

    Raises MalformedPayload.
    """
    value, issued_at, expires_at = token_in(answer), answer.get("issued_at"), answer.get("expires_at")
    if type(expires_at) is not int:
        raise MalformedPayload("a token says when it expires", field="expires_at")
    return IssuedToken(value, expires_at - (issued_at if type(issued_at) is int else time.time()))
