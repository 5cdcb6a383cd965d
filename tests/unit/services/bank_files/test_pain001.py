"""pain.001.001.09, against ISO 20022's own schema, and against what the schema cannot say."""

import re
import uuid
from decimal import Decimal
from importlib.resources import files
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from xmlschema import XMLSchema

from domain.bank_accounts import BankAccount
from domain.bank_text import ALLOWED
from services.bank_files.orders import PaymentOrder, decimal_sum, end_to_end_id
from services.bank_files.pain001 import NAMESPACE, write
from tests.unit.services.bank_files.payments import (
    DOLLAR_DEBTOR,
    DUTCH,
    EURO_DEBTOR,
    GERMAN,
    INDIAN,
    group,
    order,
    transfer,
)

NAMES = {"p": NAMESPACE}
CURRENCIES = ("EUR", "JPY", "BHD", "USD")


@pytest.fixture(scope="module")
def schema() -> XMLSchema:
    """The message definition, as the library `sepaxml` carries it."""
    return XMLSchema(str(files("sepaxml").joinpath("schemas/pain.001.001.09.xsd")))


def mixed_order() -> PaymentOrder:
    return order(
        group(
            EURO_DEBTOR,
            "EUR",
            transfer(1, 123_456, "EUR", GERMAN),
            transfer(2, 1, "EUR", DUTCH),
            transfer(3, 500, "EUR", INDIAN),
        ),
        group(EURO_DEBTOR, "JPY", transfer(4, 1_000, "JPY", INDIAN)),
        group(DOLLAR_DEBTOR, "BHD", transfer(5, 1_234, "BHD", INDIAN)),
    )


def texts(document: Element, path: str) -> list[str | None]:
    return [element.text for element in document.findall(f".//p:{path.replace('/', '/p:')}", NAMES)]


def parse(written: bytes) -> Element:
    return fromstring(written)  # noqa: S314 - what this test wrote itself


def test_the_file_is_valid_by_the_schema(schema: XMLSchema) -> None:
    schema.validate(write(mixed_order()).decode())


def test_the_schema_catches_what_would_be_wrong(schema: XMLSchema) -> None:
    written = write(mixed_order()).decode()
    for right, wrong in (
        ("<PmtMtd>TRF<", "<PmtMtd>XXX<"),
        ("DE89370400440532013000", "de89"),
        ("<ChrgBr>SHAR<", "<ChrgBr>X<"),
    ):
        assert not schema.is_valid(written.replace(right, wrong))


def test_the_sums_are_those_of_the_transfers() -> None:
    document = parse(write(mixed_order()))
    (header,) = document.findall("./p:CstmrCdtTrfInitn/p:GrpHdr", NAMES)
    assert [header.findtext(f"p:{name}", None, NAMES) for name in ("NbOfTxs", "CtrlSum")] == ["5", "2240.804"]
    groups = document.findall(".//p:PmtInf", NAMES)
    assert [(one.findtext("p:NbOfTxs", "", NAMES), one.findtext("p:CtrlSum", "", NAMES)) for one in groups] == [
        ("2", "1234.57"),
        ("1", "5.00"),
        ("1", "1000"),
        ("1", "1.234"),
    ]
    for one in groups:
        amounts = [Decimal(amount.text or "") for amount in one.findall(".//p:InstdAmt", NAMES)]
        assert sum(amounts) == Decimal(one.findtext("p:CtrlSum", "", NAMES))


def test_only_euros_between_sepa_accounts_go_by_sepa() -> None:
    document = parse(write(mixed_order()))
    groups = document.findall(".//p:PmtInf", NAMES)
    levels = [one.findtext("p:PmtTpInf/p:SvcLvl/p:Cd", None, NAMES) for one in groups]
    assert levels == ["SEPA", None, None, None]
    assert texts(document, "ChrgBr") == ["SLEV", "SHAR", "SHAR", "SHAR"]


def test_a_batch_is_named_in_35_characters_by_its_id() -> None:
    document = parse(write(mixed_order()))
    assert texts(document, "EndToEndId") == [f"{number:032x}" for number in (1, 2, 3, 4, 5)]
    assert uuid.UUID(end_to_end_id(uuid.UUID(int=7))) == uuid.UUID(int=7)
    references = [*texts(document, "MsgId"), *texts(document, "PmtInfId"), *texts(document, "EndToEndId")]
    assert all(reference and re.fullmatch("[A-Za-z0-9-]{1,35}", reference) for reference in references)
    assert len(set(texts(document, "PmtInfId"))) == 4


def test_accounts_and_banks_are_named_by_what_is_known_of_them() -> None:
    document = parse(write(mixed_order()))
    assert texts(document, "DbtrAgt/FinInstnId/Othr/Id") == ["NOTPROVIDED"] * 3
    assert texts(document, "DbtrAgt/FinInstnId/ClrSysMmbId/MmbId") == ["091000019"]
    assert texts(document, "CdtrAgt/FinInstnId/BICFI") == ["COBADEFFXXX"]
    assert texts(document, "CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd") == ["INFSC"] * 3
    assert texts(document, "CdtrAcct/Id/IBAN") == ["DE89370400440532013000", "NL91ABNA0417164300"]
    assert texts(document, "CdtrAcct/Id/Othr/Id") == ["50100012345678"] * 3
    assert texts(document, "Cdtr/PstlAdr/TwnNm") == ["Den Haag"]
    assert texts(document, "Cdtr/Nm")[0] == "Muller + Sohne"
    assert texts(document, "Dbtr/Id/OrgId/Othr/Id") == ["1234567890"]


def test_the_same_order_gives_the_same_bytes() -> None:
    assert write(mixed_order()) == write(mixed_order())


@hypothesis_settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.integers(min_value=1, max_value=10**13),
            st.sampled_from(CURRENCIES),
            st.text("aZß éłЩ/<>&'\"=+-0", min_size=1).filter(lambda name: any(c.isalnum() for c in name)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_order_is_valid_and_adds_up(schema: XMLSchema, payments: list[tuple[int, str, str]]) -> None:
    groups = [
        group(
            EURO_DEBTOR,
            currency,
            *(
                transfer(number, amount, currency, BankAccount(holder=holder, iban="NL91ABNA0417164300"))
                for number, (amount, of, holder) in enumerate(payments)
                if of == currency
            ),
        )
        for currency in sorted({currency for _, currency, _ in payments})
    ]
    written = write(order(*groups))
    schema.validate(written.decode())
    document = parse(written)
    total = sum(Decimal(amount or "") for amount in texts(document, "InstdAmt"))
    assert Decimal(texts(document, "GrpHdr/CtrlSum")[0] or "") == total
    assert all(ALLOWED.fullmatch(name or "") for name in texts(document, "Nm"))


def test_a_control_sum_of_nothing_is_nothing() -> None:
    assert decimal_sum([]) == "0"
    assert decimal_sum([(5, "EUR"), (5, "BHD")]) == "0.055"
