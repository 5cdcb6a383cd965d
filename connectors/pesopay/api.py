"""AsiaPay's order API: one address, an action by its name, the credentials in every request."""

from collections.abc import Sequence

from connectors.amounts import write_decimal
from connectors.base import StatusRequest
from connectors.http_client import Effect, GatewayHttp, GatewayResponse
from connectors.outcomes import Timeouts, nothing_moved_yet, reading
from connectors.pesopay.answers import Record
from connectors.pesopay.errors import GATEWAY_NAME, read_records, read_result
from connectors.pesopay.refunds import open_refunds
from connectors.pesopay.registration import NUMERIC_CODES, PesoPayCredentials
from connectors.pesopay.status import Source, facts_of_order
from domain.errors import GatewayRejected
from domain.facts import Fact

FORM_PATH, API_PATH = "/eng/payment/payForm.jsp", "/eng/merchant/api/orderApi.jsp"


class PesoPayApi:
    """One merchant account's access to AsiaPay. Close it with `aclose`."""

    def __init__(self, credentials: PesoPayCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._http = GatewayHttp(GATEWAY_NAME, credentials.base_url, timeouts, headers={"Accept": "*/*"})

    async def attempts(self, order_reference: str) -> list[Record]:
        """Return every attempt to pay an order."""
        return read_records(await self._post("Query", Effect.READS, {"orderRef": order_reference}))

    async def attempts_before_writing(self, order_reference: str) -> list[Record]:
        """Look an order up before anything is written: without an answer nothing has moved yet."""
        with nothing_moved_yet():
            return await self.attempts(order_reference)

    async def act(self, action: str, pay_ref: str, amount: str | None = None) -> Record:
        """Capture, void or refund an attempt; returns the answer's fields."""
        fields = {"payRef": pay_ref} if amount is None else {"payRef": pay_ref, "amount": amount}
        return read_result(await self._post(action, Effect.WRITES, fields))

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    async def _post(self, action: str, effect: Effect, fields: dict[str, str]) -> GatewayResponse:
        credentials = self.credentials
        form = {
            "merchantId": credentials.merchant_id,
            "loginId": credentials.api_login_id,
            "password": credentials.api_password.get_secret_value(),
            "actionType": action,
            **fields,
        }
        return await self._http.send("POST", API_PATH, effect, form=form)


def wire_money(amount_minor: int, currency: str) -> tuple[str, str]:
    """Return the amount as AsiaPay wants it, and the currency's number. Raises GatewayRejected where it has none."""
    number = NUMERIC_CODES.get(currency)
    if number is None:
        raise GatewayRejected(f"{GATEWAY_NAME} does not take {currency}", field="currency")
    return write_decimal(GATEWAY_NAME, amount_minor, currency), number


def read_facts(records: Sequence[Record], request: StatusRequest) -> tuple[Fact, ...]:
    """Return the facts of one order's attempts. Raises OutcomeUnknown when they cannot be read."""
    with reading(GATEWAY_NAME):
        return tuple(facts_of_order(records, Source(request.account), open_refunds(request.refund_references)))
