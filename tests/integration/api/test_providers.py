"""Providers: what there is, and what an account needs to use it."""

import json

import httpx

from connectors.registry import registrations
from services.api_keys import Scope
from tests.integration.api.conftest import Api


async def test_every_gateway_is_listed_with_what_it_needs(acme: httpx.AsyncClient) -> None:
    page = (await acme.get("/v1/providers")).json()

    assert [item["key"] for item in page["data"]] == [each.key for each in registrations()]
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    for item, registration in zip(page["data"], registrations(), strict=True):
        fields = {field["name"]: field for field in item["credentials"]}
        assert set(fields) == set(registration.credentials.model_fields)
        assert set(item["capabilities"]) == registration.capabilities
        assert set(item["currencies"]) == registration.currencies
        assert item["payment_methods"] == list(registration.payment_methods)


async def test_a_provider_says_everything_about_it(api: Api) -> None:
    reader = api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ]))

    stripe = (await reader.get("/v1/providers/stripe")).json()
    fields = {field["name"]: field for field in stripe["credentials"]}

    assert (stripe["display_name"], stripe["native"], stripe["callback_trust"]) == ("Stripe", True, "signed")
    assert stripe["callback_url"] == f"{api.context.settings.ingress.public_url}/webhooks/stripe/acme"
    assert fields["secret_key"] == {
        "name": "secret_key",
        "label": "Secret key",
        "description": "Starts with sk_ or rk_. In the Stripe dashboard: Developers, API keys.",
        "type": "text",
        "required": True,
        "secret": True,
        "rotatable": False,
        "default": None,
        "choices": [],
    }
    assert (fields["webhook_secret"]["rotatable"], fields["publishable_key"]["secret"]) == (True, False)


async def test_choices_and_defaults_are_told(acme: httpx.AsyncClient) -> None:
    phonepe = (await acme.get("/v1/providers/phonepe")).json()
    fields = {field["name"]: field for field in phonepe["credentials"]}

    assert (fields["environment"]["default"], fields["environment"]["choices"]) == (
        "production",
        ["production", "sandbox"],
    )
    assert (fields["client_version"]["type"], fields["mobile_sdk"]["type"]) == ("integer", "boolean")
    assert phonepe["callback_trust"] == "hint"


async def test_a_gateway_without_callbacks_has_no_url_for_them(acme: httpx.AsyncClient) -> None:
    assert (await acme.get("/v1/providers/manual")).json()["callback_url"] is None


async def test_an_operator_sees_providers_before_naming_an_account(api: Api) -> None:
    key = await api.key("acme", "rival", kind="operator")

    unnamed = await api.client(key).get("/v1/providers/stripe")
    named = await api.client(key, **{"Paystream-Account": "rival"}).get("/v1/providers/stripe")

    assert (unnamed.status_code, unnamed.json()["callback_url"]) == (200, None)
    assert named.json()["callback_url"].endswith("/webhooks/stripe/rival")


async def test_an_unknown_provider_is_not_found(acme: httpx.AsyncClient) -> None:
    unknown = await acme.get("/v1/providers/nowhere")
    odd = await acme.get("/v1/providers/%00")

    assert (unknown.status_code, odd.status_code) == (404, 422)
    assert "stripe" in json.dumps(unknown.json())
