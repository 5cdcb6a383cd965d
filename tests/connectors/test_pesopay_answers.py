"""What the order API may answer: records in XML, lines of text, and what must not be parsed."""

import pytest

from connectors.http_client import GatewayResponse
from connectors.pesopay.answers import parse_records
from connectors.pesopay.errors import read_records, read_result
from connectors.pesopay.status import Source, facts_of_order, facts_of_record, map_status
from domain.errors import GatewayDeclined, GatewayError, GatewayRejected, MalformedPayload, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE records [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    "<records><record><payRef>&b;</payRef></record></records>"
)
FILE = (
    '<!DOCTYPE records [<!ENTITY f SYSTEM "file:///etc/hostname">]><records><record><ref>&f;</ref></record></records>'
)


def answer(body: str | bytes, status_code: int = 200) -> GatewayResponse:
    return GatewayResponse(status_code, {}, body if isinstance(body, bytes) else body.encode())


def record(status: str, pay_ref: str = "4000123", **fields: str) -> dict[str, str]:
    return {"orderstatus": status, "ref": "payment-1-N", "payref": pay_ref, "amt": "150.0", "cur": "608", **fields}


def kinds_of(*records: dict[str, str]) -> list[FactKind]:
    return [fact.kind for fact in facts_of_order(records, Source(ACCOUNT))]


@pytest.mark.parametrize(
    "xml",
    [
        BOMB,
        FILE,
        "<records><!-- a comment --></records>",
        "<records><record><ref><![CDATA[x]]></ref></record></records>",
        "<records>",
        "<records></records><records></records>",
        "<answer></answer>",
        "<records>\x00</records>",
        "<records>" + " " * 1_000_000 + "</records>",
    ],
)
def test_what_is_not_the_plain_xml_of_the_api_is_refused(xml: str) -> None:
    with pytest.raises(MalformedPayload):
        parse_records(xml)
    with pytest.raises(OutcomeUnknown):
        read_records(answer(xml))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-7"])
def test_another_encoding_does_not_get_a_document_type_through(encoding: str) -> None:
    with pytest.raises(OutcomeUnknown):
        read_records(answer(BOMB.encode(encoding)))


@pytest.mark.parametrize("encoding", ["cp037", "utf-16-le", "utf-7"])
def test_a_declared_encoding_does_not_get_a_document_type_through(encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
    with pytest.raises(OutcomeUnknown):
        read_records(answer(declared + BOMB.partition("?>")[2].encode(encoding)))


def test_names_are_read_in_any_capitals_and_empty_fields_are_left_out() -> None:
    xml = "<Records><Record><OrderStatus> Accepted </OrderStatus><PAYREF>1</PAYREF><remark/><x> </x></Record></Records>"

    assert parse_records(xml) == [{"orderstatus": "Accepted", "payref": "1"}]


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf", b"\n "])
def test_a_payers_name_in_another_encoding_does_not_matter(body: bytes) -> None:
    head = b'<?xml version="1.0" encoding="ISO-8859-1"?>'
    told = body + head + b"<records><record><payRef>1</payRef><holder>JOS\xc9</holder></record></records>"

    assert [found["payref"] for found in read_records(answer(told))] == ["1"]


def test_a_line_of_text_may_be_a_record_too() -> None:
    assert read_records(answer("resultCode=0&orderStatus=Accepted&PayRef=1&errMsg=")) == [
        {"resultcode": "0", "orderstatus": "Accepted", "payref": "1"}
    ]
    assert read_records(answer("resultCode=0&errMsg=")) == []
    assert read_records(answer("<records></records>")) == []


@pytest.mark.parametrize("read", [read_records, read_result])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("resultCode=-1&orderStatus=&errMsg=Authentication+Failed", GatewayRejected),
        ("RESULTCODE=-1&ERRMSG=No", GatewayRejected),
        ("resultCode=1&errMsg=Do+not+honour", GatewayDeclined),
        ("resultCode=7&errMsg=Who+knows", OutcomeUnknown),
        ("resultCode=&errMsg=", OutcomeUnknown),
        ("errMsg=no+code", OutcomeUnknown),
        ("welcome", OutcomeUnknown),
        ("", OutcomeUnknown),
        ("&".join(["resultCode=0"] * 1000), OutcomeUnknown),
    ],
)
def test_a_failure_with_http_200_is_a_failure(read: object, body: str, error: type[GatewayError]) -> None:
    assert callable(read)
    with pytest.raises(GatewayError) as failure:
        read(answer(body))

    assert type(failure.value) is error


def test_the_words_of_a_failure_are_passed_on() -> None:
    with pytest.raises(GatewayRejected, match="PesoPay refused the request: Refund Failed"):
        read_result(answer("resultCode=-1&orderStatus=&errMsg=Refund+Failed"))


def test_records_are_no_answer_to_an_action() -> None:
    with pytest.raises(OutcomeUnknown):
        read_result(answer("<records><record><payRef>1</payRef></record></records>"))


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("Pending", []),
        ("Pending_3D", [FactKind.REQUIRES_ACTION]),
        ("Capturing", [FactKind.PROCESSING]),
        ("Authorized", [FactKind.AUTHORIZED]),
        ("Accepted", [FactKind.CAPTURED]),
        ("Accepted_Adj", [FactKind.CAPTURED]),
        ("Captured", [FactKind.CAPTURED]),
        ("Rejected", [FactKind.ATTEMPT_FAILED]),
        ("Cancelled", [FactKind.CANCELLED]),
        ("Voided", [FactKind.CANCELLED]),
        ("Reverse Auth", [FactKind.CANCELLED]),
        ("Reversal Void", [FactKind.CANCELLED]),
        ("RequestRefund", [FactKind.CAPTURED]),
        ("RequestPartialRefund", [FactKind.CAPTURED]),
        ("Partial Refunded", [FactKind.CAPTURED, FactKind.IGNORED]),
        ("Refunded", [FactKind.CAPTURED, FactKind.IGNORED]),
        ("ChargeBack", [FactKind.CAPTURED, FactKind.DISPUTE_LOST]),
        ("Partial ChargeBack", [FactKind.CAPTURED, FactKind.IGNORED]),
        ("Reversal-CB", [FactKind.IGNORED]),
        ("", [FactKind.IGNORED]),
    ],
)
def test_every_status_means_what_the_table_says(status: str, kinds: list[FactKind]) -> None:
    assert kinds_of(record(status)) == kinds


def test_a_status_means_the_same_in_any_capitals() -> None:
    assert map_status("payment", "ACCEPTED") is map_status("payment", "accepted") is FactKind.CAPTURED


def test_a_later_failure_does_not_overwrite_a_success() -> None:
    assert kinds_of(record("Accepted", "1"), record("Rejected", "2"), record("Cancelled", "3")) == [
        FactKind.CAPTURED,
        FactKind.ATTEMPT_FAILED,
    ]
    assert kinds_of(record("Cancelled", "1"), record("Rejected", "2")) == [
        FactKind.CANCELLED,
        FactKind.ATTEMPT_FAILED,
    ]


def test_times_are_those_of_hong_kong() -> None:
    (fact,) = facts_of_record(record("Accepted", txtime="2026-01-02 11:00:00.0"), Source(ACCOUNT))
    (untimed,) = facts_of_record(record("Accepted", txtime="yesterday"), Source(ACCOUNT))

    assert fact.occurred_at.isoformat() == "2026-01-02T11:00:00+08:00"
    assert untimed.occurred_at.tzinfo is not None


def test_the_same_status_read_twice_is_the_same_fact() -> None:
    first, again = (facts_of_record(record("ChargeBack"), Source(ACCOUNT)) for _ in range(2))

    assert [fact.gateway_event_id for fact in first] == [fact.gateway_event_id for fact in again]
    assert [fact.content_digest() for fact in first] == [fact.content_digest() for fact in again]
    assert len({fact.gateway_event_id for fact in first}) == 2
