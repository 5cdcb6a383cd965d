"""PhonePe's legacy API: JSON in base64, signed with the salt key, over HTTPS."""

import base64

from connectors.http_client import Effect, GatewayHttp, encode_json
from connectors.outcomes import Timeouts, is_about_credentials
from connectors.payloads import Payload
from connectors.phonepe_v1.checksums import HEADER, Salt, checksum
from connectors.phonepe_v1.errors import (
    GATEWAY_NAME,
    NOT_FOUND,
    of_code,
    read_answer,
)
from connectors.phonepe_v1.names import can_be_in_a_path
from connectors.phonepe_v1.registration import PhonePeV1Credentials
from domain.errors import GatewayRejected, GatewayUnavailable, OutcomeUnknown

ORIGINS = {"production": "https://api.phonepe.com", "sandbox": "https://api-preprod.phonepe.com"}
PREFIXES = {"production": "/apis/hermes", "sandbox": "/apis/pg-sandbox"}
PAY_PATH, REFUND_PATH, STATUS_PATH = "/pg/v1/pay", "/pg/v1/refund", "/pg/v1/status"


class PhonePeV1Api:
    """One merchant's access to PhonePe's legacy API. Close it with `aclose`."""

    def __init__(self, credentials: PhonePeV1Credentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._salt = Salt(credentials.salt_key, credentials.salt_index)
        origin = credentials.api_base or ORIGINS[credentials.environment]
        self._http = GatewayHttp(GATEWAY_NAME, origin + PREFIXES[credentials.environment], timeouts)

    async def write(self, path: str, payload: Payload, accepted: frozenset[str]) -> Payload:
        """Post a payload of this merchant and return the answer, whose code is one of the accepted ones.

        Raises the house's errors.
        """
        signed = base64.b64encode(encode_json({"merchantId": self.credentials.merchant_id, **payload})).decode()
        headers = {HEADER: checksum(signed + path, self._salt)}
        body = {"request": signed}
        answer = read_answer(await self._http.send("POST", path, Effect.WRITES, headers=headers, json_body=body))
        if answer["code"] not in accepted:
            raise of_code(answer)
        return answer

    async def status(self, name: str) -> Payload:
        """Return the status of a transaction: of one that PhonePe does not know too, under the code for that.

        Raises the house's errors, GatewayRejected for what cannot be a name.
        """
        if not can_be_in_a_path(name):
            raise GatewayRejected(f"{name} cannot be a name at {GATEWAY_NAME}", field="provider_reference")
        merchant_id = self.credentials.merchant_id
        path = f"{STATUS_PATH}/{merchant_id}/{name}"
        headers = {HEADER: checksum(path, self._salt), "X-MERCHANT-ID": merchant_id}
        response = await self._http.read(path, headers=headers)
        told = response.json_object_or_empty()
        if told.get("code") == NOT_FOUND or _is_about(told, name):
            return told
        # What is not about the transaction is about the look itself, which has failed.
        raise of_code(read_answer(response))

    async def find(self, name: str) -> Payload | None:
        """Return the status of a transaction that may not be there; None when PhonePe does not know it."""
        answer = await self.status(name)
        return None if answer.get("code") == NOT_FOUND else answer

    async def find_made_before(self, refusal: GatewayRejected, name: str) -> Payload:
        """Return the transaction that an earlier request under the same name has made, after another was refused.

        Raises the refusal when there is none, OutcomeUnknown when nobody can tell.
        """
        if is_about_credentials(refusal):
            raise refusal
        try:
            found = await self.find(name)
        except GatewayRejected:
            raise refusal from None
        except (GatewayUnavailable, OutcomeUnknown) as error:
            raise OutcomeUnknown(f"{refusal.message}; whether it was done before is not known") from error
        if found is None:
            raise refusal
        return found

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()


def _is_about(told: Payload, name: str) -> bool:
    transaction = told.get("data")
    is_named = isinstance(transaction, dict) and transaction.get("merchantTransactionId") == name
    return is_named and isinstance(told.get("code"), str)
