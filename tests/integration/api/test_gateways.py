"""An account's gateways: secrets go in and never come out; a test really asks the gateway."""

from dataclasses import dataclass, field

import httpx
import pytest

from connectors.base import GatewayAnswer, StatusRequest
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from services.accounts import set_credentials
from services.api_keys import Scope
from services.gateways import ConnectorSource
from storage.unit_of_work import Database
from tests.integration.api.configured import STRIPE, URL, configured, shown, stored
from tests.integration.api.conftest import Api
from tests.integration.services.books import rows


@dataclass
class Asked(ConnectorSource):
    """A gateway that answers status requests as a test wants it to."""

    answer: Exception | None = None
    requests: list[StatusRequest] = field(default_factory=list)
    forgotten: list[tuple[str, str]] = field(default_factory=list)

    def forget(self, account: str, gateway: str) -> None:
        self.forgotten.append((account, gateway))

    async def connector(self, account: str, gateway: str) -> object:
        return self

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        self.requests.append(request)
        if self.answer is not None:
            raise self.answer
        return GatewayAnswer(provider_reference=request.provider_reference)


class WithoutReads(ConnectorSource):
    """A gateway whose API only writes."""

    async def connector(self, account: str, gateway: str) -> object:
        return object()


async def test_secrets_go_in_and_never_come_out(api: Api, acme: httpx.AsyncClient, database: Database) -> None:
    made = await acme.put(URL, json={"credentials": STRIPE, "priority": 10, "settings": {"statement": "ACME"}})
    read = await acme.get(URL)
    listed = await acme.get("/v1/accounts/acme/gateways")

    assert (made.status_code, read.status_code) == (201, 200)
    assert made.json() == read.json() == listed.json()["data"][0]
    assert shown(made) == {
        "secret_key": "••••p7dc",
        "publishable_key": STRIPE["publishable_key"],
        "webhook_secret": "••••0001",
        "previous_webhook_secret": None,
        "payment_link_return_url": None,
        "api_base": None,
    }
    about = {name: value for name, value in made.json().items() if name not in {"credentials", "updated_at"}}
    assert about == {
        "object": "gateway",
        "account": "acme",
        "gateway": "stripe",
        "enabled": True,
        "priority": 10,
        "settings": {"statement": "ACME"},
        "version": 1,
        "key_id": "test",
        "callback_url": f"{api.context.settings.ingress.public_url}/webhooks/stripe/acme",
    }
    audited = await rows(database, "select actor, account, before::text, after::text from audit_log")
    written = made.text + read.text + listed.text + str(audited)
    for name in ("secret_key", "webhook_secret"):
        assert STRIPE[name] not in written
    assert await stored(api) == STRIPE


async def test_a_short_secret_shows_nothing_of_itself(acme: httpx.AsyncClient) -> None:
    answer = await configured(acme, credentials={**STRIPE, "webhook_secret": "whsec_short"})

    assert shown(answer)["webhook_secret"] == "••••"


async def test_what_is_left_out_stays(api: Api, acme: httpx.AsyncClient) -> None:
    await configured(acme)

    disabled = await acme.put(URL, json={"enabled": False})
    renewed = await acme.put(URL, json={"credentials": {**STRIPE, "secret_key": "sk_test_another_one"}})

    assert (disabled.status_code, disabled.json()["version"], disabled.json()["enabled"]) == (200, 1, False)
    assert (renewed.status_code, renewed.json()["version"], renewed.json()["enabled"]) == (200, 2, False)
    assert (await stored(api))["secret_key"] == "sk_test_another_one"


async def test_a_configured_gateway_is_offered(acme: httpx.AsyncClient) -> None:
    await configured(acme)
    offered = (await acme.get("/v1/accounts/acme/payment-options")).json()["data"]

    await acme.delete(URL)
    remaining = (await acme.get("/v1/accounts/acme/payment-options")).json()["data"]

    assert [(option["gateway"], option["enabled"]) for option in offered] == [("stripe", True)]
    assert remaining == []


async def test_what_was_configured_elsewhere_is_not_offered_by_itself(api: Api, acme: httpx.AsyncClient) -> None:
    await set_credentials(api.context.database, api.context.ring, "acme", "stripe", STRIPE)

    before = await acme.get(URL)
    after = await acme.put(URL, json={"enabled": True})

    assert (before.json()["enabled"], after.json()["enabled"], after.status_code) == (False, True, 200)


async def test_bad_credentials_name_fields_and_never_values(acme: httpx.AsyncClient) -> None:
    bad = {"secret_key": "", "publishable_key": 17, "webhook_secret": "whsec_visible", "surprise": "sk_live_visible"}

    several = await acme.put(URL, json={"credentials": bad})
    one = await acme.put(URL, json={"credentials": {**STRIPE, "secret_key": ""}})
    nested = await acme.put(URL, json={"credentials": {**STRIPE, "secret_key": {"value": "sk_live_visible"}}})

    assert {answer.status_code for answer in (several, one, nested)} == {422}
    assert several.json()["errors"][0]["pointer"] == "#/credentials"
    assert all(name in several.text for name in ("secret_key", "publishable_key", "surprise"))
    assert one.json()["errors"][0]["pointer"] == "#/credentials/secret_key"
    assert all(error["pointer"].startswith("#/credentials/secret_key") for error in nested.json()["errors"])
    for answer in (several, one, nested):
        assert "visible" not in answer.text
        assert STRIPE["webhook_secret"] not in answer.text
    assert (await acme.get(URL)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"enabled": True}, 422),
        ({"credentials": {}}, 422),
        ({"credentials": STRIPE, "priority": -1}, 422),
        ({"credentials": STRIPE, "priority": 10_001}, 422),
        ({"credentials": STRIPE, "settings": {"a": {"b": {"c": {"d": {}}}}}}, 422),
        ({"credentials": STRIPE, "settings": {"a": "x" * 5_000}}, 422),
        ({"credentials": STRIPE, "settings": [1]}, 422),
        ({"credentials": STRIPE, "surprise": 1}, 422),
        ({"credentials": {"NOT A NAME": "x"}}, 422),
        ({"credentials": STRIPE, "settings": {"a": {"b": {"c": {"d": 1}}}}}, 201),
    ],
)
async def test_what_can_be_configured(acme: httpx.AsyncClient, body: dict[str, object], status: int) -> None:
    assert (await acme.put(URL, json=body)).status_code == status


async def test_a_change_meets_only_the_version_it_has_seen(acme: httpx.AsyncClient) -> None:
    seen = (await configured(acme)).headers["etag"]

    first = await acme.put(URL, json={"priority": 1}, headers={"If-Match": seen})
    late = await acme.put(URL, json={"priority": 2}, headers={"If-Match": seen})
    new = await acme.put(URL.replace("stripe", "razorpay"), json={"enabled": True}, headers={"If-Match": seen})

    assert [answer.status_code for answer in (first, late, new)] == [200, 412, 412]
    assert (await acme.get(URL)).headers["etag"] == first.headers["etag"]


async def test_a_removed_gateway_is_gone(acme: httpx.AsyncClient, database: Database) -> None:
    await configured(acme)

    removed, again = await acme.delete(URL), await acme.delete(URL)

    assert (removed.status_code, removed.content, again.status_code) == (204, b"", 404)
    assert (await acme.get(URL)).status_code == 404
    assert await rows(database, "select 1 from gateway_credentials") == []


async def test_this_process_uses_a_change_at_once(api: Api, acme: httpx.AsyncClient) -> None:
    gateway = Asked()
    object.__setattr__(api.context, "gateways", gateway)

    await configured(acme)
    await acme.post(f"{URL}/rotate", json={"credentials": {"webhook_secret": "whsec_second_00000002"}})
    await acme.delete(URL)

    assert gateway.forgotten == [("acme", "stripe")] * 3


@pytest.mark.parametrize(
    ("answer", "ok", "code"),
    [
        (None, True, "accepted"),
        (GatewayRejected("Stripe answered HTTP 404: no such payment"), True, "accepted"),
        (GatewayDeclined("no"), True, "accepted"),
        (GatewayRejected("Stripe refused our credentials", code="credentials_refused"), False, "credentials_refused"),
        (GatewayUnavailable("Stripe could not be reached"), False, "unavailable"),
        (OutcomeUnknown("Stripe gave no answer"), False, "unavailable"),
    ],
)
async def test_a_test_asks_the_gateway(
    api: Api, acme: httpx.AsyncClient, answer: Exception | None, ok: bool, code: str
) -> None:
    await configured(acme)
    gateway = Asked(answer)
    object.__setattr__(api.context, "gateways", gateway)

    told = await acme.post(f"{URL}/test")

    assert (told.status_code, told.json()["ok"], told.json()["code"]) == (200, ok, code)
    assert [request.account for request in gateway.requests] == ["acme"]


async def test_a_gateway_without_reads_cannot_be_tested(api: Api, acme: httpx.AsyncClient) -> None:
    await configured(acme)
    object.__setattr__(api.context, "gateways", WithoutReads())

    told = await acme.post(f"{URL}/test")

    assert (told.json()["ok"], told.json()["code"]) == (False, "not_supported")


async def test_what_is_not_configured_is_not_found(acme: httpx.AsyncClient) -> None:
    answers = [
        await acme.get(URL),
        await acme.delete(URL),
        await acme.post(f"{URL}/rotate", json={"credentials": {"webhook_secret": "x"}}),
        await acme.post(f"{URL}/test"),
        await acme.put(URL.replace("stripe", "nowhere"), json={"credentials": STRIPE}),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}


async def test_another_accounts_gateways_are_not_there(
    api: Api, acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    await configured(acme)

    answers = [
        await rival.get("/v1/accounts/acme/gateways"),
        await rival.get(URL),
        await rival.put(URL, json={"credentials": STRIPE}),
        await rival.delete(URL),
        await rival.post(f"{URL}/rotate", json={"credentials": {"webhook_secret": "whsec_theirs"}}),
        await rival.post(f"{URL}/test"),
    ]

    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, "there is no account 'acme'")
    }
    assert (await rival.get("/v1/accounts/rival/gateways")).json()["data"] == []
    assert await stored(api) == STRIPE


async def test_only_keys_for_credentials_come_near_them(api: Api) -> None:
    client = api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE]))

    answers = [
        await client.get("/v1/accounts/acme/gateways"),
        await client.get(URL),
        await client.put(URL, json={"credentials": STRIPE}),
        await client.delete(URL),
        await client.post(f"{URL}/rotate", json={"credentials": {"webhook_secret": "x"}}),
        await client.post(f"{URL}/test"),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "scope_missing")}
    assert (await api.client(await api.key("acme", scopes=[Scope.CREDENTIALS_WRITE])).get(URL)).status_code == 404


async def test_changes_are_in_the_audit_log_under_the_key(acme: httpx.AsyncClient, database: Database) -> None:
    made = await configured(acme)

    audited = await rows(
        database,
        "select distinct subject_type, account, actor like 'key:%', request_id from audit_log"
        " where subject_type in ('gateway_credentials', 'payment_option') order by 1",
    )

    request_id = made.headers["x-request-id"]
    assert audited == [
        ("gateway_credentials", "acme", True, request_id),
        ("payment_option", "acme", True, request_id),
    ]
