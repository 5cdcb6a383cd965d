"""Reports of gateways: every line exact, and every fault named by line and column."""

import json
from datetime import UTC, datetime

import pytest

from domain.errors import MalformedPayload
from domain.statement_lines import LineKind
from services.statement_matching.parsers import razorpay_report, stripe_report
from tests.unit.services.statement_matching.samples import sample

STRIPE = sample("stripe_balance.csv")
RAZORPAY = sample("razorpay_recon.json")


def test_a_report_of_stripe_is_read_to_the_cent() -> None:
    lines = {line.reference: line for line in stripe_report.parse(STRIPE)}
    assert {reference: (line.kind.value, line.gross_minor, line.fee_minor) for reference, line in lines.items()} == {
        "txn_1": ("capture", 1_000, 59),
        "txn_2": ("capture", 40_000, 1_190),
        "txn_4": ("refund", -400, 0),
        "txn_5": ("dispute", -1_000, 1_500),
        "txn_6": ("other", 0, 125),
        "txn_7": ("payout", -39_351, 0),
    }
    first = lines["txn_1"]
    assert first.names == ("ch1", "pi1")
    assert first.occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (first.payout_reference, first.description) == ("po_1A2b3C", "Order 1, two pairs")
    assert lines["txn_7"].payout_reference == "po_1A2b3C"
    assert sum(line.net_minor for line in lines.values() if line.payout_reference and line.currency == "USD") == (
        941 + 38_810 - 400 - 39_351
    )


def test_what_was_not_captured_is_taken_off_its_charge_and_stands_alone_without_it() -> None:
    (_, alone) = (
        line for line in stripe_report.parse(b"".join(STRIPE.splitlines(keepends=True)[i] for i in (0, 1, 3)))
    )
    assert (alone.reference, alone.kind, alone.gross_minor) == ("txn_3", LineKind.OTHER, -60_000)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("10.00,0.59,9.41", "10.00,0.59,9.42", "line 2, column net: is not gross less fee"),
        ("10.00,0.59,9.41", "ten,0.59,9.41", "line 2, column gross: 'ten' is not an amount"),
        ("10.00,0.59,9.41", "10.001,0.59,9.41", "line 2, column gross: '10.001' has more decimals"),
        ("usd,10.00", "xxx,10.00", "line 2, column currency: 'XXX' is not a known currency"),
        ("2026-01-02 03:04:05", "02/01/2026", "line 2, column created_utc: '02/01/2026' is not a time"),
        ("txn_2", "txn_1", "line 3, column balance_transaction_id: txn_1 is in the file twice"),
        ("reporting_category", "category", "the column 'reporting_category' is missing"),
        (",pi_1\n", "\n", "line 2 has 17 columns, the header has 18"),
        ("charge_id,payment", "currency,payment", "two columns 'currency'"),
        ('"Order 1', 'x"Order" 1', "line 2"),
    ],
)
def test_a_fault_in_a_report_of_stripe_is_named(right: str, wrong: str, said: str) -> None:
    spoiled = STRIPE.decode().replace(right, wrong, 1).encode()
    with pytest.raises(MalformedPayload) as refusal:
        stripe_report.parse(spoiled)
    assert said in refusal.value.message


def test_a_report_of_razorpay_is_read_to_the_paisa() -> None:
    lines = {line.reference: line for line in razorpay_report.parse(RAZORPAY)}
    assert {
        reference: (line.kind.value, line.gross_minor, line.fee_minor, line.net_minor)
        for reference, line in lines.items()
    } == {
        "payment:pay_A1b2C3d4E5f6G7": ("capture", 100_000, 2_360, 97_640),
        "refund:rfnd_A1b2C3d4E5f6G7": ("refund", -40_000, 0, -40_000),
        "adjustment:adj_1": ("dispute", -5_000, 0, -5_000),
        "adjustment:adj_2": ("other", 100, 0, 100),
    }
    refund = lines["refund:rfnd_A1b2C3d4E5f6G7"]
    assert refund.names == ("rfnda1b2c3d4e5f6g7", "paya1b2c3d4e5f6g7")
    assert (refund.payout_reference, refund.payout_at) == ("UTR0001", datetime(2026, 1, 4, tzinfo=UTC))
    assert razorpay_report.parse(json.dumps(json.loads(RAZORPAY)["items"]).encode()) == list(lines.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fee": 2_359}, "line 1, column credit: is not the amount less the fee"),
        ({"fee": 23.6}, "line 1, column fee"),
        ({"fee": -1}, "line 1, column fee: is below zero"),
        ({"currency": "XXX"}, "line 1, column currency"),
        ({"entity_id": ""}, "line 1, column entity_id: is empty"),
        ({"created_at": "now"}, "line 1, column created_at: is not a time"),
    ],
)
def test_a_fault_in_a_report_of_razorpay_is_named(changes: dict[str, object], said: str) -> None:
    report = json.loads(RAZORPAY)
    report["items"][0] |= changes
    with pytest.raises(MalformedPayload) as refusal:
        razorpay_report.parse(json.dumps(report).encode())
    assert said in refusal.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"{}", b'{"items": [1]}', b'{"count": 2, "items": []}'])
def test_what_is_no_report_of_razorpay_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedPayload):
        razorpay_report.parse(content)
