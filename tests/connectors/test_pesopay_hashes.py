"""AsiaPay's secure hashes: the vectors, several hashes at once, and fields that change places."""

import hashlib
from urllib.parse import urlencode

import pytest

from connectors.base import Callback
from connectors.pesopay.hashes import secure_hash
from connectors.pesopay.registration import REGISTRATION, HashFunction
from connectors.pesopay.webhooks import COVERED, verify_datafeed
from domain.errors import VerificationFailed
from tests.connectors.case import ACCOUNT, SIGNED_AT
from tests.connectors.cases.pesopay import CASES

SECRET = "S3cretHashKey0000000000000000001"
DATAFEED = {
    "src": "0",
    "prc": "0",
    "successcode": "0",
    "Ref": "ORDER-1",
    "PayRef": "4000123",
    "Cur": "608",
    "Amt": "150.00",
    "payerAuth": "U",
}
OF_DATAFEED: dict[HashFunction, str] = {
    "sha1": "66f90339972851669c87f3129590871ff74e2c6f",
    "sha256": "6b364146557fb25cfe1511d105365813629f3a30cdc2bfdbe84f87738f184dcf",
}
ORDER = ("18000000", "ORDER-1", "608", "150.00", "N")
OF_ORDER: dict[HashFunction, str] = {
    "sha1": "e5e7f09fe35f795eae7c064e1419435bf63718e6",
    "sha256": "60ad1c1a1e67a53c4715d8c292a1c656896de5aacadbb580360436f87ffcb983",
}


def datafeed(told: str, fields: dict[str, str] = DATAFEED) -> Callback:
    body = urlencode({**fields, "secureHash": told}).encode()
    return Callback(account=ACCOUNT, body=body, headers=(), received_at=SIGNED_AT)


def code_of_refusal(callback: Callback, function: HashFunction = "sha1") -> str:
    with pytest.raises(VerificationFailed) as refusal:
        verify_datafeed(callback, [SECRET], function)
    return refusal.value.code


@pytest.mark.parametrize("function", ["sha1", "sha256"])
def test_the_vectors_of_a_datafeed_and_of_an_order_are_made(function: HashFunction) -> None:
    assert secure_hash(list(DATAFEED.values()), SECRET, function) == OF_DATAFEED[function]
    assert secure_hash(ORDER, SECRET, function) == OF_ORDER[function]


@pytest.mark.parametrize("function", ["sha1", "sha256"])
def test_the_vector_of_a_datafeed_is_proven(function: HashFunction) -> None:
    proven = verify_datafeed(datafeed(OF_DATAFEED[function]), [SECRET], function)

    assert proven == {name.lower(): value for name, value in DATAFEED.items()}


def test_the_published_sample_is_the_vector() -> None:
    sample = CASES.sample("accepted.other_software")

    assert sample.endswith(OF_DATAFEED["sha1"].encode())
    callback = Callback(account=ACCOUNT, body=sample, headers=(), received_at=SIGNED_AT)
    assert verify_datafeed(callback, [SECRET], "sha1")["ref"] == "ORDER-1"


def test_the_third_function_is_known_as_well() -> None:
    message = "|".join([*DATAFEED.values(), SECRET])
    told = hashlib.sha512(message.encode()).hexdigest()

    assert verify_datafeed(datafeed(told), [SECRET], "sha512")["payref"] == "4000123"


def test_the_message_does_not_choose_the_function() -> None:
    assert code_of_refusal(datafeed(OF_DATAFEED["sha256"]), "sha1") == "signature_invalid"
    assert code_of_refusal(datafeed(OF_DATAFEED["sha1"]), "sha256") == "signature_invalid"


@pytest.mark.parametrize("told", ["{other},{right}", "{right},{other}", "{other}, {right}", ",{right}"])
def test_one_good_hash_among_several_is_enough(told: str) -> None:
    callback = datafeed(told.format(other="0" * 40, right=OF_DATAFEED["sha1"]))

    assert verify_datafeed(callback, [SECRET], "sha1")["payref"] == "4000123"


def test_guessing_hashes_by_the_thousand_is_refused() -> None:
    many = ",".join(["0" * 40] * 1000 + [OF_DATAFEED["sha1"]])

    assert code_of_refusal(datafeed(many)) == "signature_invalid"


@pytest.mark.parametrize("name", sorted(DATAFEED))
def test_a_datafeed_with_any_covered_field_changed_is_refused(name: str) -> None:
    changed = {**DATAFEED, name: DATAFEED[name] + "0"}
    missing = {other: value for other, value in DATAFEED.items() if other != name}

    assert code_of_refusal(datafeed(OF_DATAFEED["sha1"], changed)) == "signature_invalid"
    assert code_of_refusal(datafeed(OF_DATAFEED["sha1"], missing)) == "signature_invalid"


@pytest.mark.parametrize("name", sorted(DATAFEED))
def test_a_datafeed_with_any_covered_field_twice_is_refused(name: str) -> None:
    genuine = datafeed(OF_DATAFEED["sha1"])
    for again in (name, name.upper()):
        body = genuine.body + f"&{again}={DATAFEED[name]}".encode()
        twice = Callback(account=ACCOUNT, body=body, headers=(), received_at=SIGNED_AT)
        assert code_of_refusal(twice) == "signature_invalid"


def test_a_missing_payer_authentication_keeps_its_place() -> None:
    without = {name: value for name, value in DATAFEED.items() if name != "payerAuth"}
    told = secure_hash([*without.values(), ""], SECRET, "sha1")

    assert verify_datafeed(datafeed(told, without), [SECRET], "sha1")["payerauth"] == ""
    assert verify_datafeed(datafeed(told, {**without, "payerAuth": ""}), [SECRET], "sha1")["payerauth"] == ""


def test_a_bar_within_a_field_cannot_move_what_the_hash_covers() -> None:
    values = ["0", "0", "0", "ORDER-1|4000123", "608", "150.00", "U", ""]
    moved = dict(zip(DATAFEED, values, strict=True))
    told = secure_hash(values, SECRET, "sha1")

    assert told != OF_DATAFEED["sha1"]
    assert code_of_refusal(datafeed(told, moved)) == "signature_invalid"


def test_nothing_but_the_covered_fields_is_believed() -> None:
    fields = {**DATAFEED, "orderStatus": "Refunded", "payType": "H"}

    assert set(verify_datafeed(datafeed(OF_DATAFEED["sha1"], fields), [SECRET], "sha1")) == set(COVERED)


def test_a_name_in_any_encoding_does_not_matter() -> None:
    body = datafeed(OF_DATAFEED["sha1"]).body + b"&Holder=JOS%C9&remark=\xff\xfe"
    callback = Callback(account=ACCOUNT, body=body, headers=(), received_at=SIGNED_AT)

    assert verify_datafeed(callback, [SECRET], "sha1")["payref"] == "4000123"


def test_too_many_fields_are_refused() -> None:
    body = datafeed(OF_DATAFEED["sha1"]).body + b"&a=1" * 1000

    callback = Callback(account=ACCOUNT, body=body, headers=(), received_at=SIGNED_AT)

    assert code_of_refusal(callback) == "signature_invalid"


def test_asiapay_reads_its_own_word_when_a_datafeed_is_taken() -> None:
    told = REGISTRATION.acknowledgement

    assert (told.status_code, told.body) == (200, b"OK")
