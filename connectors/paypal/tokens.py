"""How PayPal's access tokens are fetched."""

import base64

from pydantic import SecretStr

from connectors.access_tokens import IssuedToken, token_in
from connectors.http_client import Effect, GatewayHttp
from connectors.paypal.errors import check_answer, payload_of
from domain.errors import MalformedPayload

PATH = "/v1/oauth2/token"


async def fetch_token(http: GatewayHttp, client_id: str, client_secret: SecretStr) -> IssuedToken:
    """Ask PayPal for a token. Raises the house's errors, MalformedPayload for a success without one."""
    pair = f"{client_id}:{client_secret.get_secret_value()}"
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    # Asking twice brings two good tokens, so it may be sent again as a read may.
    form = {"grant_type": "client_credentials"}
    answer = payload_of(check_answer(await http.send("POST", PATH, Effect.READS, headers=headers, form=form)))
    value, seconds = token_in(answer), answer.get("expires_in")
    if type(seconds) is not int:
        raise MalformedPayload("a token says how long it lasts", field="expires_in")
    return IssuedToken(value, seconds)
