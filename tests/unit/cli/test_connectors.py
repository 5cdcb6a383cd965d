"""`paystream connectors list` and `show`: every gateway, for people and for programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.capability_terms import BY_HAND, REFINES, TERMS, abilities_of, callbacks_of, lacks_of, short_terms
from cli.connectors import app
from connectors.base import PROTOCOLS, Capability, Registration
from connectors.registry import get_registration, registrations
from domain.facts import Trust
from tests.unit.connectors.installed import install

RUNNER = CliRunner()
NATIVE = {
    "adyen",
    "bitpay",
    "coinbase",
    "klarna",
    "manual",
    "paypal",
    "paytabs",
    "pesopay",
    "phonepe",
    "phonepe_v1",
    "razorpay",
    "square",
    "stripe",
    "swish",
}

every_gateway = pytest.mark.parametrize("registration", registrations(), ids=lambda registration: registration.key)


def invoke(*arguments: str) -> Result:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result


def listed() -> dict[str, dict[str, Any]]:
    records = [json.loads(line) for line in invoke("list", "--json").stdout.splitlines()]
    return {record["key"]: record for record in records}


def test_fourteen_native_gateways_and_the_bridge_are_listed() -> None:
    records = listed()

    assert {key for key, record in records.items() if record["native"]} == NATIVE
    assert records.keys() - NATIVE == {"prism"}
    assert {record["package"] for record in records.values()} == {"paystream"}


@every_gateway
def test_a_line_says_what_the_registration_says(registration: Registration) -> None:
    record = listed()[registration.key]

    assert record["name"] == registration.display_name
    assert record["capabilities"] == sorted(registration.capabilities)
    assert set(record["currencies"]) == registration.currencies
    assert set(record["countries"]) == registration.countries
    assert tuple(record["payment_methods"]) == registration.payment_methods


def test_callbacks_are_signed_hints_or_not_there() -> None:
    told = {key: record["callbacks"] for key, record in listed().items()}

    assert (told["stripe"], told["swish"], told["manual"]) == ("signed", "hint", "none")
    hints = {each.key for each in registrations() if each.callback_trust is Trust.HINT}
    assert {key for key, callbacks in told.items() if callbacks == "hint"} == hints


def test_the_table_has_a_row_for_every_gateway() -> None:
    output = invoke("list").stdout

    for registration in registrations():
        (row,) = [line for line in output.splitlines() if line.startswith(f"│ {registration.key} ")]
        assert registration.display_name in row
        assert f" {len(registration.currencies)} " in row


@every_gateway
def test_everything_about_a_gateway_is_shown(registration: Registration) -> None:
    record = json.loads(invoke("show", registration.key, "--json").stdout)
    output = invoke("show", registration.key).stdout

    assert [field["name"] for field in record["credentials"]] == list(registration.credentials.model_fields)
    assert record["required_headers"] == list(registration.required_headers)
    assert record["acknowledgement"]["status_code"] == registration.acknowledgement.status_code
    assert record["acknowledgement"]["body"].encode() == registration.acknowledgement.body
    assert (record["keys_kept_for_seconds"] is None) != registration.has(Capability.REPEATS_SAFELY)
    for word in (
        registration.description,
        *record["required_headers"],
        *record["payment_methods"],
        *(field["label"] for field in record["credentials"]),
    ):
        assert " ".join(word.split()) in " ".join(output.replace("│", " ").split())


def test_a_credential_says_whether_it_is_needed_and_secret() -> None:
    record = json.loads(invoke("show", "stripe", "--json").stdout)

    (secret,) = [field for field in record["credentials"] if field["name"] == "webhook_secret"]

    assert (secret["required"], secret["secret"], secret["kind"], secret["default"]) == (True, True, "text", None)
    assert secret["label"] == get_registration("stripe").credentials.model_fields["webhook_secret"].title
    assert secret["description"]


def test_an_unknown_gateway_is_an_error_that_names_those_there_are() -> None:
    result = RUNNER.invoke(app, ["show", "acme"])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "there is no gateway 'acme'; there are: adyen, bitpay" in result.stderr


def test_a_broken_package_is_named_on_standard_error_and_the_list_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "broken-gateway", "1 / 0", key="broken")

    result = invoke("list", "--json")

    assert {json.loads(line)["key"] for line in result.stdout.splitlines()} == {*NATIVE, "prism"}
    told = "the gateway broken of the package broken-gateway is left out: ZeroDivisionError: division by zero"
    assert result.stderr.strip() == told


def test_every_capability_has_its_words() -> None:
    assert TERMS.keys() == set(Capability)
    assert len({term.phrase for term in TERMS.values()}) == len(TERMS)
    assert REFINES.keys() == set(Capability) - PROTOCOLS.keys() - BY_HAND - {Capability.REPEATS_SAFELY}


def test_a_refinement_stands_behind_what_it_refines() -> None:
    assert short_terms([Capability.PARTIAL_REFUNDS, Capability.VOIDS, Capability.REFUNDS]) == "void, refund (partial)"
    everything = short_terms(Capability)
    assert "capture (partial, multiple)" in everything
    assert everything.startswith("webhooks, orders")


@every_gateway
def test_what_a_gateway_can_and_what_it_cannot_are_told_apart(registration: Registration) -> None:
    can, cannot = set(abilities_of(registration)), set(lacks_of(registration))

    assert not can & cannot
    assert len(can) == len(registration.capabilities - {Capability.REPEATS_SAFELY})
    assert callbacks_of(registration) in {"signed", "hint", "none"}


def test_what_lacks_as_a_whole_is_not_told_in_parts() -> None:
    assert "refund" not in lacks_of(get_registration("stripe"))
    lacks = lacks_of(get_registration("coinbase"))
    assert "capture what was authorized first" in lacks
    assert "capture a part" not in lacks
