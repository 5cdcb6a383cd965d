"""PayTabs' API: two addresses, one that carries transactions out and one that finds them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from connectors.amounts import write_decimal
from connectors.http_client import Effect, GatewayHttp
from connectors.outcomes import Timeouts, nothing_moved_yet, quote, reading, unreadable
from connectors.payloads import Payload, as_objects, optional_text
from connectors.paytabs.errors import DUPLICATE_REQUEST, GATEWAY_NAME, read_answer
from connectors.paytabs.registration import HOSTS, PayTabsCredentials
from connectors.paytabs.status import Source, facts_of_cart, read_money, reason_of, status_of, type_of
from domain.errors import (
    GatewayDeclined,
    GatewayRejected,
    GatewayUnavailable,
)
from domain.facts import Fact

REQUEST_PATH, QUERY_PATH = "/payment/request", "/payment/query"
DECLINED = frozenset("DE")


class PayTabsApi:
    """One profile's access to PayTabs. Close it with `aclose`."""

    def __init__(self, credentials: PayTabsCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        base = credentials.api_base or HOSTS[credentials.region]
        key = credentials.server_key.get_secret_value()
        self._http = GatewayHttp(GATEWAY_NAME, base, timeouts, headers={"Authorization": key})

    async def request(self, fields: Mapping[str, object]) -> Payload:
        """Carry a transaction out, or make the page where the payer does.

        Raises GatewayUnavailable with the code `duplicate_request` when PayTabs had the same request before.
        """
        answer = await self._post(REQUEST_PATH, Effect.WRITES, fields)
        if not isinstance(answer, dict):
            raise unreadable(GATEWAY_NAME)
        return answer

    async def by_cart(self, cart_id: str) -> list[Payload]:
        """Return every transaction of a cart; none while nobody has paid."""
        answer = await self._post(QUERY_PATH, Effect.READS, {"cart_id": cart_id})
        if isinstance(answer, dict) and "tran_ref" in answer:
            return [answer]
        if answer is not None and not isinstance(answer, list):
            raise unreadable(GATEWAY_NAME)
        return as_objects(answer)

    async def by_reference(self, tran_ref: str) -> Payload | None:
        """Return one transaction, or None when PayTabs has none of that name."""
        answer = await self._post(QUERY_PATH, Effect.READS, {"tran_ref": tran_ref})
        if answer is not None and not (isinstance(answer, dict) and "tran_ref" in answer):
            raise unreadable(GATEWAY_NAME)
        return answer

    async def named(self, name: str) -> list[Payload]:
        """Return every transaction of the cart of this name, or of the cart that the transaction of this name is in."""
        found = await self.by_cart(name)
        if found:
            return found
        try:
            transaction = await self.by_reference(name)
        except GatewayRejected:
            # The name was a cart's after all, one that nobody has paid.
            return []
        if transaction is None:
            return []
        cart_id = optional_text(transaction.get("cart_id"))
        return [transaction] if cart_id is None else await self.by_cart(cart_id) or [transaction]

    async def cart_before_writing(self, cart_id: str) -> list[Payload]:
        """Look a cart up before anything is written: without an answer nothing has moved yet."""
        with nothing_moved_yet():
            return await self.by_cart(cart_id)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        await self._http.aclose()

    async def _post(self, path: str, effect: Effect, fields: Mapping[str, object]) -> object:
        body = {"profile_id": self.credentials.profile_id, **fields}
        return read_answer(await self._http.send("POST", path, effect, json_body=body))


def was_duplicate(error: GatewayUnavailable) -> bool:
    """Say whether PayTabs turned a request away because it had the same one before."""
    return error.code == DUPLICATE_REQUEST


def paytabs_amount(amount_minor: int, currency: str) -> Decimal:
    """Return the number that PayTabs wants, digit for digit: 150.00, 1.234. Raises GatewayRejected."""
    return Decimal(write_decimal(GATEWAY_NAME, amount_minor, currency))


def refuse_declined(transaction: Payload) -> None:
    """Raise GatewayDeclined, with the reason that PayTabs gives, for a transaction that was not carried out."""
    if status_of(transaction) in DECLINED:
        text = f"{GATEWAY_NAME} declined the {type_of(transaction)[:30]}"
        raise GatewayDeclined(text + quote(reason_of(transaction)))


def read_facts(transactions: Sequence[Payload], account: str) -> tuple[Fact, ...]:
    """Return the facts of one cart's transactions. Raises OutcomeUnknown when they cannot be read."""
    with reading(GATEWAY_NAME):
        return tuple(facts_of_cart(transactions, Source(account)))


def money_of(payment: Payload | None) -> tuple[int, str] | None:
    """Return how much a payment is, in ISO minor units, with its currency; None where there is none."""
    with reading(GATEWAY_NAME):
        return None if payment is None else read_money(payment)
