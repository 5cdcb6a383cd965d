"""What an Adyen account is configured with, and where its calls go."""

import pytest
from pydantic import ValidationError

from connectors.adyen.api import AdyenApi, base_url_of
from connectors.adyen.registration import REGISTRATION, AdyenCredentials
from connectors.outcomes import Timeouts
from tests.gateways.adyen import CREDENTIALS

LIVE = "https://1797a841fbb37ca7-testshop-checkout-live.adyenpayments.com/checkout/v72"


def credentials(**changes: str) -> AdyenCredentials:
    return AdyenCredentials.model_validate({**CREDENTIALS, **changes})


@pytest.mark.parametrize(
    ("changes", "base_url"),
    [
        ({}, "https://checkout-test.adyen.com/v72"),
        ({"live_prefix": "1797a841fbb37ca7-testshop"}, LIVE),
        ({"api_base": "https://my-live-proxy.example"}, "https://my-live-proxy.example/v72"),
        ({"api_base": "http://127.0.0.1:1", "live_prefix": "abc"}, "http://127.0.0.1:1/v72"),
    ],
)
def test_every_service_is_at_the_accounts_address(changes: dict[str, str], base_url: str) -> None:
    account = credentials(**changes)
    checkout = AdyenApi(account, Timeouts()).checkout
    services = [
        checkout.payments_api,
        checkout.modifications_api,
        checkout.payment_links_api,
        checkout.recurring_api,
    ]

    assert base_url_of(account) == base_url
    assert {service.baseUrl for service in services} == {base_url}
    assert {service.client._determine_api_url("test", base_url) for service in services} == {base_url}


@pytest.mark.parametrize("key", ["not hexadecimal", "abc", "ab" * 15, "0x" + "ab" * 32, "ab " * 16])
@pytest.mark.parametrize("field", ["hmac_key", "previous_hmac_key", "token_hmac_key"])
def test_a_key_that_is_not_hexadecimal_is_refused_without_being_told(field: str, key: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        credentials(**{field: key})

    assert key not in str(refusal.value)


@pytest.mark.parametrize("field", ["webhook_user", "webhook_password"])
def test_user_and_password_of_the_webhook_are_given_together(field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        credentials(**{field: "half-of-a-login"})

    assert "half-of-a-login" not in str(refusal.value)
    assert credentials(webhook_user="adyen", webhook_password="x").webhook_user == "adyen"


@pytest.mark.parametrize("prefix", ["https://abc", "abc.example.com/", "a b", ""])
def test_a_prefix_is_no_address(prefix: str) -> None:
    with pytest.raises(ValidationError):
        credentials(live_prefix=prefix)


def test_a_callback_is_acknowledged_as_adyen_reads_it() -> None:
    assert (REGISTRATION.acknowledgement.status_code, REGISTRATION.acknowledgement.body) == (200, b"[accepted]")


def test_currencies_are_those_whose_amounts_adyen_publishes() -> None:
    assert {"CLP", "CVE", "IDR", "ISK", "BHD", "JPY"} <= REGISTRATION.currencies
    assert "XXX" not in REGISTRATION.currencies
