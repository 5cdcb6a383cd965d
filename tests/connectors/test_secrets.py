"""Secrets stay inside: not in a representation, not in an error, not in a log."""

import logging
import traceback

import pytest

from domain.errors import PaystreamError
from tests.connectors.case import SIGNED_AT, GatewayCases

PREVIOUS = "the-secret-before-this-one"


def secrets_of(cases: GatewayCases) -> list[str]:
    return [value for name, value in cases.credentials.items() if "secret" in name] + [PREVIOUS]


def test_no_secret_is_in_a_representation(cases: GatewayCases) -> None:
    connector = cases.connector(previous_webhook_secret=PREVIOUS)
    credentials = cases.registration.credentials.model_validate(cases.credentials)

    shown = " ".join([repr(connector), str(connector), repr(credentials), str(credentials), f"{cases.registration}"])

    for secret in secrets_of(cases):
        assert secret not in shown


@pytest.mark.parametrize("tamper", ["body", "signature", "time", "secret", "content"])
def test_no_secret_is_in_the_error_of_a_refused_callback(
    cases: GatewayCases, tamper: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = cases.captured("not money" if tamper == "content" else 1200, "USD")
    signed_with = "another" if tamper == "signature" else cases.secret
    headers = cases.sign(body, signed_with, SIGNED_AT.replace(year=2020) if tamper == "time" else SIGNED_AT)
    changes = {"previous_webhook_secret": PREVIOUS} | ({"webhook_secret": ""} if tamper == "secret" else {})
    posted = body + b" " if tamper == "body" else body
    with caplog.at_level(logging.DEBUG):
        try:
            cases.connector(**changes).parse_callback(cases.callback(posted, headers))
        except PaystreamError as error:
            told = "".join(traceback.format_exception(error)) + repr(error) + error.message
        else:
            assert tamper == "time"
            assert not cases.signs_time
            told = ""

    for secret in secrets_of(cases):
        assert secret not in told + caplog.text
