"""Payment intents: which gateway is chosen, and what the payer is told to do; and what is on offer."""

import httpx
import pytest

from connectors.base import GatewayAnswer, OrderRequest
from domain.errors import InvalidInput, NotFound, OutcomeUnknown
from services.api_keys import Scope
from storage.payment_options import PaymentOption
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api, payment
from tests.integration.api.paying import Json, get, post
from tests.integration.services.books import NOW, rows
from tests.integration.services.commands.fake_gateway import FakeGateway
from tests.integration.services.commands.shop import TESTGATE

INTENTS = "/v1/payment-intents"
AVAILABLE = "/v1/payment-methods/available"


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


def unnamed(**changes: object) -> Json:
    """The body of a payment that names no gateway."""
    return {name: value for name, value in payment(**changes).items() if name != "gateway"}


async def offer(database: Database, gateway: str, *, account: str = "acme", **changes: object) -> None:
    """Store a payment option."""
    values: Json = {"account": account, "gateway": gateway, "updated_at": NOW} | changes
    async with database.transaction() as transaction:
        await transaction.payment_options.put(PaymentOption(**values))


class PageGateway(FakeGateway):
    """Sends payers to whatever page it was told."""

    parameters: dict[str, str]

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        answer = await super().create_order(request)
        return GatewayAnswer(provider_reference=answer.provider_reference, client_parameters=self.parameters)


class PickyGateway(FakeGateway):
    """Is paid by money order only."""

    def instructions(
        self,
        method: str,
        *,
        reference: str | None = None,
        amount_minor: int | None = None,
        currency: str | None = None,
    ) -> str:
        if method != "money_order":
            raise InvalidInput("not by this method", field="method")
        return super().instructions(method, reference=reference, amount_minor=amount_minor, currency=currency)


async def test_a_named_gateway_is_asked_for_a_client_secret(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(INTENTS, json=payment(metadata={"table": "7"}))

    intent = answer.json()
    assert answer.status_code == 201, answer.text
    assert (intent["type"], intent["client_secret"]) == ("client_secret", "pi_1_secret")
    assert intent["payment"]["client_parameters"] == {"client_secret": "pi_1_secret"}
    assert (intent["redirect_url"], intent["form_action"], intent["form_fields"], intent["instructions"]) == (
        None,
        None,
        {},
        None,
    )
    assert answer.headers["location"] == f"/v1/payments/{intent['payment']['id']}"
    read = await acme.get(answer.headers["location"])
    assert read.json() == intent["payment"] | {"client_parameters": None}
    assert read.headers["etag"] == answer.headers["etag"]


async def test_provider_is_another_word_for_gateway(acme: httpx.AsyncClient) -> None:
    intent = await post(acme, INTENTS, 201, **unnamed(provider=TESTGATE))
    both = await acme.post(INTENTS, json=payment(provider=TESTGATE))

    assert intent["payment"]["gateway"] == TESTGATE
    assert both.status_code == 422


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            {"redirect_url": "https://pay.example/1"},
            {"type": "redirect", "redirect_url": "https://pay.example/1", "client_secret": None},
        ),
        (
            {"form_action": "https://pay.example/form", "form_fields": '{"amount": "10.99"}'},
            {"type": "form", "form_action": "https://pay.example/form", "form_fields": {"amount": "10.99"}},
        ),
        (
            {"client_secret": "s", "publishable_key": "pk_1"},
            {"type": "client_secret", "client_secret": "s", "publishable_key": "pk_1"},
        ),
        ({}, {"type": None, "client_secret": None}),
    ],
)
async def test_the_answer_says_what_the_payer_does_next(
    api: Api, acme: httpx.AsyncClient, parameters: dict[str, str], expected: Json
) -> None:
    gateway = PageGateway(TESTGATE)
    gateway.parameters = parameters
    api.gateways[TESTGATE] = gateway

    intent = await post(acme, INTENTS, 201, **payment())

    assert {name: intent[name] for name in expected} == expected


async def test_a_payment_by_hand_comes_with_instructions_and_waits_for_approval(
    api: Api, acme: httpx.AsyncClient, database: Database
) -> None:
    api.gateways["manual"] = PickyGateway("manual")

    intent = await post(acme, INTENTS, 201, **payment(gateway="manual", return_url="https://shop.example"))

    assert (intent["type"], intent["payment"]["status"]) == ("instructions", "pending_approval")
    assert intent["instructions"] == "Pay 1099 USD by money_order and say order-1"
    assert await rows(database, "select method, transaction_reference from manual_payments") == [
        ("money_order", "order-1")
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payment_method": "check"}, "payment_method"),
        ({"payment_method": "card"}, "payment_method"),
        ({"manual_capture": True}, "manual_capture"),
    ],
)
async def test_what_cannot_be_paid_by_hand_is_refused_before_anything_is_recorded(
    api: Api, acme: httpx.AsyncClient, database: Database, changes: Json, field: str
) -> None:
    api.gateways["manual"] = PickyGateway("manual")

    answer = await acme.post(INTENTS, json=payment(gateway="manual", **changes))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")
    assert await rows(database, "select 1 from payments union all select 1 from commands") == []


async def test_the_first_option_that_takes_the_payment_is_chosen(acme: httpx.AsyncClient, database: Database) -> None:
    await offer(database, "manual", priority=3, max_amount_minor=500)
    await offer(database, TESTGATE, priority=2, countries=("US",))
    await offer(database, "razorpay", priority=1, enabled=False)
    await offer(database, "stripe", account="rival", priority=0)

    async def chosen(**changes: object) -> object:
        intent = await post(acme, INTENTS, 201, **unnamed(**changes))
        return intent["payment"]["gateway"], intent["type"]

    assert await chosen() == (TESTGATE, "client_secret")
    assert await chosen(country="US") == (TESTGATE, "client_secret")
    assert await chosen(country="DE", amount_minor=500) == ("manual", "instructions")
    assert await chosen(amount_minor=1, payment_method="check") == ("manual", "instructions")
    assert await chosen(amount_minor=1, payment_method="card") == (TESTGATE, "client_secret")


async def test_without_an_option_there_is_no_intent(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, database: Database
) -> None:
    await offer(database, TESTGATE, countries=("US",))

    foreign = await rival.post(INTENTS, json=unnamed())
    elsewhere = await acme.post(INTENTS, json=unnamed(country="DE"))

    assert (foreign.status_code, foreign.json()["code"]) == (422, "no_payment_option")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "no_payment_option")
    assert await rows(database, "select 1 from payments union all select 1 from commands") == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"gateway": "nobody"}, 404),
        ({"gateway": "Stripe"}, 422),
        ({"country": "us"}, 422),
        ({"currency": "XAF"}, 422),
        ({"set_up_at_gateway": False}, 422),
        ({"amount": "10.99"}, 422),
        ({"splits": [{"recipient_id": "p", "amount_minor": 5_000}]}, 422),
    ],
)
async def test_what_makes_no_sense_is_refused(acme: httpx.AsyncClient, changes: Json, status: int) -> None:
    assert (await acme.post(INTENTS, json=payment(**changes))).status_code == status


async def test_the_same_key_begins_one_payment(api: Api, database: Database) -> None:
    acme = api.client(await api.key(), **{"Idempotency-Key": "order-1"})
    await offer(database, TESTGATE)

    first, again = [await acme.post(INTENTS, json=unnamed()) for _ in range(2)]

    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert len(api.gateway.effects) == 1


async def test_a_gateway_that_does_not_answer_leaves_the_payment_to_be_looked_for(
    api: Api, acme: httpx.AsyncClient
) -> None:
    api.gateway.fails_after.append(OutcomeUnknown("no answer"))

    intent = await post(acme, INTENTS, 202, **payment())

    assert (intent["type"], intent["client_secret"], intent["payment"]["client_parameters"]) == (None, None, None)


async def test_an_account_that_has_not_said_how_it_is_paid_is_told_so(api: Api, acme: httpx.AsyncClient) -> None:
    class NoConnector(dict[str, FakeGateway]):
        def __missing__(self, gateway: str) -> FakeGateway:
            raise NotFound(f"account 'acme' has no credentials for {gateway!r}", field="account")

    object.__setattr__(api.context.gateways, "_gateways", NoConnector())

    answer = await acme.post(INTENTS, json=payment(gateway="manual"))

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_beginning_a_payment_needs_a_scope(api: Api) -> None:
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    assert (await reader.post(INTENTS, json=payment())).json()["code"] == "scope_missing"
    assert api.gateway.calls == 0


async def test_what_is_on_offer_is_listed_by_priority(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, database: Database
) -> None:
    await offer(database, TESTGATE, priority=2, display_name="Card")
    await offer(database, "manual", priority=1, payment_methods=("check", "bank_transfer"), max_amount_minor=500)
    await offer(database, "stripe", priority=0, enabled=False)

    every = await get(acme, AVAILABLE)
    small = await get(acme, AVAILABLE, country="US", currency="USD", amount_minor=500)
    large = await get(acme, AVAILABLE, country="US", currency="USD", amount_minor=501)
    elsewhere = await get(acme, AVAILABLE, country="DE", amount_minor=501)

    assert [item["gateway"] for item in every["data"]] == ["manual", TESTGATE]
    assert every == small
    assert (every["has_more"], every["next_cursor"]) == (False, None)
    assert large["data"] == [
        {
            "object": "available_payment_method",
            "gateway": TESTGATE,
            "display_name": "Card",
            "description": "A gateway that can do everything but ask people.",
            "priority": 2,
            "payment_methods": ["card"],
            "is_paid_by_hand": False,
        }
    ]
    assert every["data"][0]["payment_methods"] == ["check", "bank_transfer"]
    assert every["data"][0]["is_paid_by_hand"] is True
    assert elsewhere["data"] == []
    assert (await get(rival, AVAILABLE))["data"] == []


@pytest.mark.parametrize("query", ["country=us", "country=USA", "currency=usd", "amount_minor=0", "amount_minor=1.5"])
async def test_a_purchase_that_makes_no_sense_is_a_problem(acme: httpx.AsyncClient, query: str) -> None:
    answer = await acme.get(f"{AVAILABLE}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
