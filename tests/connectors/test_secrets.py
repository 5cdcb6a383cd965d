"""Secrets stay inside: not in a representation, not in an error, not in a log."""

import logging
import traceback
from dataclasses import replace

import pytest

from connectors.base import VerifiesWebhooks
from domain.errors import PaystreamError
from tests.connectors.case import SIGNED_AT, Delivery, GatewayCases


def secrets_of(cases: GatewayCases) -> list[str]:
    return [*cases.secrets, cases.other_secret]


def with_both_secrets(cases: GatewayCases, secret: str | None = None) -> VerifiesWebhooks:
    return cases.connector(secret=secret, previous=cases.other_secret if cases.previous_secret_field else None)


def test_an_account_has_secrets(cases: GatewayCases) -> None:
    assert all(secrets_of(cases))
    assert cases.secrets


def test_no_secret_is_in_a_representation(cases: GatewayCases) -> None:
    connector = with_both_secrets(cases)
    credentials = cases.registration.credentials.model_validate(cases.credentials)

    shown = " ".join([repr(connector), str(connector), repr(credentials), str(credentials), f"{cases.registration}"])

    for secret in secrets_of(cases):
        assert secret not in shown


def tampered(cases: GatewayCases, tamper: str) -> Delivery:
    """A delivery that is wrong in one way."""
    body = cases.captured("not money" if tamper == "content" else cases.amount, cases.currency)
    delivery = cases.delivery(body, signed_at=SIGNED_AT.replace(year=2020) if tamper == "time" else SIGNED_AT)
    if tamper == "body":
        return replace(delivery, body=body + b" ")
    if tamper == "proof":
        return cases.proof.write(delivery, cases.proof.read(delivery)[::-1])
    return delivery


@pytest.mark.parametrize("tamper", ["body", "proof", "time", "secret", "content"])
def test_no_secret_is_in_the_error_of_a_refused_callback(
    cases: GatewayCases, tamper: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = ""
    with caplog.at_level(logging.DEBUG):
        try:
            connector = with_both_secrets(cases, secret="" if tamper == "secret" else None)
            connector.parse_callback(cases.callback(tampered(cases, tamper)))
        except PaystreamError as error:
            told = "".join(traceback.format_exception(error)) + repr(error) + error.message

    is_noticed = {
        "body": cases.covers == "body",
        "proof": True,
        "time": cases.signs_time,
        "secret": True,
        "content": bool(cases.refused_amounts),
    }
    assert told or not is_noticed[tamper]
    for secret in secrets_of(cases):
        assert secret not in told + caplog.text
