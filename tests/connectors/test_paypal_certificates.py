"""The certificates that PayPal signs with: which are PayPal's, and how long they are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key

from connectors.paypal.bounded_cache import BoundedCache
from connectors.paypal.certificates import KEEP_SECONDS, RETRY_SECONDS, Certificates
from connectors.paypal.client import PayPalConnector
from connectors.paypal.registration import PayPalCredentials
from domain.errors import GatewayUnavailable, InvalidInput
from tests.connectors.case import SIGNED_AT
from tests.connectors.cases.paypal import CERTIFICATE_URL, CREDENTIALS, SIGNER
from tests.connectors.standing_clock import StandingClock
from tests.gateways.paypal import CERTIFICATE_PATH, LocalPayPal
from tests.gateways.paypal_payer import credentials_at
from tests.gateways.paypal_signer import SIGNER_NAME, Authority, new_rsa_key


def chains() -> dict[str, bytes]:
    """What must not pass for PayPal's certificate."""
    authority, stranger = SIGNER.authority, Authority()
    before, after = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    return {
        "of another authority": stranger.issue(SIGNER.key),
        "of another authority of the same name": Authority(name=authority.name).issue(SIGNER.key),
        "with the strange authority beside it": stranger.issue(SIGNER.key) + stranger.pem().encode(),
        "expired": authority.issue(SIGNER.key, not_after=before),
        "not valid yet": authority.issue(SIGNER.key, not_before=after),
        "for another name": authority.issue(SIGNER.key, "www.paypal.com"),
        "for a name that only begins so": authority.issue(SIGNER.key, f"{SIGNER_NAME}.evil.example"),
        "with a short key": authority.issue(new_rsa_key(1024)),
        "with no RSA key": authority.issue(generate_ec_key(SECP256R1())),
        "the authority itself": authority.pem().encode(),
        "nothing": b"",
        "no certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }


@pytest.mark.parametrize("which", chains())
def test_a_certificate_that_is_not_paypals_is_never_kept(which: str) -> None:
    certificates = Certificates(PayPalCredentials.model_validate(CREDENTIALS))

    with pytest.raises(GatewayUnavailable, match="cannot be used"):
        certificates.keep(CERTIFICATE_URL, chains()[which], SIGNED_AT)

    assert certificates.known(CERTIFICATE_URL, SIGNED_AT) is None


def test_the_systems_authorities_do_not_vouch_for_ours() -> None:
    values = {name: value for name, value in CREDENTIALS.items() if name != "certificate_authorities"}
    certificates = Certificates(PayPalCredentials.model_validate(values))

    with pytest.raises(GatewayUnavailable, match="cannot be used"):
        certificates.keep(CERTIFICATE_URL, SIGNER.certificate, SIGNED_AT)


def test_authorities_that_cannot_be_read_are_refused_when_the_connector_is_built() -> None:
    unreadable = {**CREDENTIALS, "certificate_authorities": "-----BEGIN CERTIFICATE-----\nAAAA"}

    with pytest.raises(InvalidInput) as refusal:
        PayPalConnector(PayPalCredentials.model_validate(unreadable))

    assert refusal.value.field == "certificate_authorities"


async def test_a_certificate_proves_nothing_outside_of_its_time() -> None:
    ends = SIGNED_AT + timedelta(days=1)
    certificates = Certificates(PayPalCredentials.model_validate(CREDENTIALS))
    certificates.keep(CERTIFICATE_URL, SIGNER.authority.issue(SIGNER.key, not_after=ends), SIGNED_AT)

    assert certificates.known(CERTIFICATE_URL, ends) is not None
    assert certificates.known(CERTIFICATE_URL, ends + timedelta(seconds=1)) is None


async def test_a_certificate_is_fetched_again_after_a_day_and_a_failure_after_a_minute(
    local_paypal: LocalPayPal, paypal_url: str
) -> None:
    clock, address = StandingClock(), paypal_url + CERTIFICATE_PATH
    certificates = Certificates(credentials_at(paypal_url, SIGNER.authority.pem()), clock)
    try:
        local_paypal.certificate_served = "down"
        for _ in range(2):
            with pytest.raises(GatewayUnavailable, match="HTTP 503"):
                await certificates.fetch(address, SIGNED_AT)
        assert local_paypal.requests[CERTIFICATE_PATH] == 1
        local_paypal.certificate_served = "as it is"
        clock.seconds += RETRY_SECONDS
        await certificates.fetch(address, SIGNED_AT)
        clock.seconds += KEEP_SECONDS - 1
        await certificates.fetch(address, SIGNED_AT)
        assert local_paypal.requests[CERTIFICATE_PATH] == 2
        clock.seconds += 1
        await certificates.fetch(address, SIGNED_AT)
        assert local_paypal.requests[CERTIFICATE_PATH] == 3
    finally:
        await certificates.aclose()


def test_a_cache_forgets_in_time_and_what_was_kept_first() -> None:
    clock = StandingClock()
    cache: BoundedCache[str] = BoundedCache(max_entries=2, keep_seconds=10.0, clock=clock)
    for name in ("a", "b", "a", "c"):
        cache.keep(name, name)

    assert [cache.get(name) for name in "abc"] == ["a", None, "c"]
    clock.seconds += 10
    assert [cache.get(name) for name in "abc"] == [None, None, None]
