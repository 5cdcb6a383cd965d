"""What proves Adyen's callbacks: a signature in every item, or one over the body; never one for all."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from Adyen.util import generate_notification_sig, is_valid_hmac_payload  # type: ignore[import-untyped]  # ships no types
from pydantic import SecretStr

from connectors.adyen.client import AdyenConnector
from connectors.adyen.proofs import signature_of, signed_message
from connectors.adyen.registration import AdyenCredentials
from connectors.base import Callback
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT, FIXTURES, SIGNED_AT
from tests.gateways.adyen import CREDENTIALS, HMAC_KEY, TOKEN_HMAC_KEY
from tests.gateways.adyen_callbacks import Item, body_of, sign, signed, signed_fields

KEY = bytes.fromhex("44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056")

OFFICIAL = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
}
OWN = {
    "pspReference": "PSP000000000001",
    "originalReference": "PSP000000000000",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "order-1",
    "amount": {"value": 1000, "currency": "EUR"},
    "eventCode": "CAPTURE",
    "success": "true",
}
VECTORS = [
    (
        OFFICIAL,
        "7914073381342284::TestMerchant:TestPayment-1407325143704:1130:EUR:AUTHORISATION:true",
        "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=",
    ),
    (
        OWN,
        "PSP000000000001:PSP000000000000:TestMerchant:order-1:1000:EUR:CAPTURE:true",
        "FxqysgerQ4DpD6IHEzLhFFRwtkPNvADY3kbXMVHHz8Q=",
    ),
]


def sample(name: str) -> Item:
    body = json.loads((FIXTURES / "adyen" / f"{name}.json").read_bytes())
    item = body["notificationItems"][0]["NotificationRequestItem"]
    assert isinstance(item, dict)
    return item


def connector(**changes: str) -> AdyenConnector:
    return AdyenConnector(AdyenCredentials.model_validate({**CREDENTIALS, **changes}))


def callback(body: bytes, headers: Mapping[str, str] | None = None) -> Callback:
    return Callback(account=ACCOUNT, body=body, headers=list((headers or {}).items()), received_at=SIGNED_AT)


def facts_of(*items: Item) -> list[Fact]:
    body = body_of([signed(item, HMAC_KEY) for item in items])
    return list(connector().parse_callback(callback(body)))


def refusal_of(asked: Callback, **changes: str) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        connector(**changes).parse_callback(asked)
    return refusal.value.code


@pytest.mark.parametrize(("item", "message", "signature"), VECTORS)
def test_a_known_signature(item: Item, message: str, signature: str) -> None:
    assert signed_message(item) == message
    assert signature_of(message.encode(), KEY) == signature
    assert base64.b64encode(hmac.new(KEY, message.encode(), hashlib.sha256).digest()).decode() == signature
    assert generate_notification_sig(item, KEY.hex()).decode() == signature


@pytest.mark.parametrize(("item", "message", "signature"), VECTORS)
def test_a_callback_with_a_known_signature_is_taken_and_with_any_other_refused(
    item: Item, message: str, signature: str
) -> None:
    proven = body_of([{**item, "additionalData": {"hmacSignature": signature}}])
    false = body_of([{**item, "additionalData": {"hmacSignature": signature[:-2] + "A="}}])

    (fact,) = connector().parse_callback(callback(proven))

    assert fact.amount_minor == item["amount"]["value"]
    assert refusal_of(callback(false)) == "signature_invalid"


def test_every_sample_is_signed_as_the_sdk_would() -> None:
    for path in sorted((FIXTURES / "adyen").glob("*.json")):
        if "notificationItems" in (body := json.loads(path.read_bytes())):
            item = body["notificationItems"][0]["NotificationRequestItem"]
            message = signed_message(item)
            assert message is not None
            assert signature_of(message.encode(), KEY) == generate_notification_sig(item, HMAC_KEY).decode(), path.name


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_unproven_item_refuses_the_whole_callback(position: int) -> None:
    names = ["authorisation.sale", "refund", "chargeback"]
    items = [signed(sample(name), HMAC_KEY) for name in names]
    items[position]["amount"] = {"value": 9_900, "currency": "USD"}

    assert refusal_of(callback(body_of(items))) == "signature_invalid"


@pytest.mark.parametrize("extra", [None, {}, {"hmacSignature": ""}, {"hmacSignature": None}, {"hmacSignature": ["x"]}])
def test_one_item_without_a_signature_refuses_the_whole_callback(extra: object) -> None:
    items = [signed(sample("authorisation.sale"), HMAC_KEY), {**sample("refund"), "additionalData": extra}]

    assert refusal_of(callback(body_of(items))) == "signature_missing"


@pytest.mark.parametrize("holder", [None, "text", {}, {"NotificationRequestItem": []}])
def test_what_is_no_item_refuses_the_whole_callback(holder: object) -> None:
    good = {"NotificationRequestItem": signed(sample("refund"), HMAC_KEY)}

    assert refusal_of(callback(json.dumps({"notificationItems": [good, holder]}).encode())) == "signature_missing"


def test_several_items_are_several_facts_with_ids_of_their_own() -> None:
    together = facts_of(sample("authorisation.auth"), sample("capture"), sample("capture_failed"))
    alone = [*facts_of(sample("authorisation.auth")), *facts_of(sample("capture")), *facts_of(sample("capture_failed"))]

    assert together == alone
    assert [fact.gateway_event_id for fact in together] == [
        "AUTHORISATION:8835341234567890:true",
        "CAPTURE:9915341234567802:true",
        "CAPTURE_FAILED:9915341234567802:true",
        "CAPTURE_FAILED:9915341234567802:true#2",
    ]


def test_a_corrected_outcome_is_another_event() -> None:
    (refused,) = facts_of(sample("refund.refused"))
    (refunded,) = facts_of(sample("refund"))

    assert (refused.gateway_event_id, refunded.gateway_event_id) == (
        "REFUND:9915341234567808:false",
        "REFUND:9915341234567808:true",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"additionalData": {"modification.action": "cancel"}},
        {"additionalData": {}},
        {"reason": "tampered with"},
        {"paymentMethod": "mc"},
        {"operations": []},
        {"eventDate": "2026-01-01T00:00:00Z"},
        {"eventDate": "tampered with"},
        {"eventDate": None},
    ],
)
def test_what_no_signature_covers_changes_no_money(change: dict[str, Any]) -> None:
    def money(fact: Fact) -> tuple[object, ...]:
        return (fact.kind, fact.references, fact.movement_reference, fact.amount_minor, fact.currency, fact.payment_id)

    for path in sorted((FIXTURES / "adyen").glob("*.json")):
        if path.stem != "recurring.token.created":
            genuine, tampered = facts_of(sample(path.stem)), facts_of(sample(path.stem) | change)
            assert [money(fact) for fact in tampered] == [money(fact) for fact in genuine], path.stem
            assert [fact.gateway_event_id for fact in tampered] == [fact.gateway_event_id for fact in genuine]


def test_the_mode_that_nothing_covers_is_not_believed() -> None:
    body = body_of([signed(sample("authorisation.sale"), HMAC_KEY)])

    live = connector().parse_callback(callback(body.replace(b'"live": "false"', b'"live": "true"')))

    assert live == connector().parse_callback(callback(body))


@pytest.mark.parametrize(
    ("told", "happened"),
    [
        ("2026-01-02T03:00:00+01:00", datetime(2026, 1, 2, 2, 0, tzinfo=UTC)),
        ("2025-12-03T00:00:00Z", datetime(2025, 12, 3, 0, 0, tzinfo=UTC)),
        ("2025-12-01T00:00:00Z", SIGNED_AT),
        ("2026-01-02T03:00:01Z", SIGNED_AT),
        ("2999-01-01T00:00:00Z", SIGNED_AT),
        ("2026-01-02T03:00:00", SIGNED_AT),
        ("yesterday", SIGNED_AT),
        (1767322800, SIGNED_AT),
    ],
)
def test_a_time_that_cannot_be_is_not_believed(told: object, happened: datetime) -> None:
    (fact,) = facts_of(sample("refund") | {"eventDate": told})

    assert fact.occurred_at == happened


def test_the_fields_of_a_message_cannot_be_cut_apart_in_another_way() -> None:
    genuine = sample("refund") | {"merchantReference": "a:b"}
    moved = genuine | {"merchantAccountCode": "TestMerchant:a", "merchantReference": "b"}
    assert signed_fields(moved) == signed_fields(genuine)

    assert facts_of(genuine)[0].kind is FactKind.REFUNDED
    assert refusal_of(callback(body_of([signed(moved, HMAC_KEY)]))) == "signature_invalid"


@pytest.mark.parametrize("success", [True, False, "True", "yes", ""])
def test_an_outcome_of_another_form_is_not_proven_by_the_usual_signature(success: object) -> None:
    genuine = signed(sample("refund"), HMAC_KEY)

    assert refusal_of(callback(body_of([genuine | {"success": success}]))) == "signature_invalid"


@pytest.mark.parametrize("value", [{"a": 1}, [500], "\ud800"])
def test_a_field_that_is_no_single_text_is_not_proven(value: object) -> None:
    genuine = signed(sample("refund"), HMAC_KEY)

    assert refusal_of(callback(body_of([genuine | {"merchantReference": value}]))) == "signature_invalid"


@pytest.mark.parametrize("name", ["amount", "pspReference", "success", "additionalData"])
def test_a_field_that_comes_twice_is_refused(name: str) -> None:
    item = signed(sample("refund"), HMAC_KEY)
    once = json.dumps({name: item[name]})[1:-1].encode()
    body = body_of([item])
    assert body.count(once) == 1

    assert refusal_of(callback(body.replace(once, once + b", " + once))) == "signature_missing"


def test_an_item_without_an_amount_is_proven_and_cannot_be_read() -> None:
    item = sample("refund")
    del item["amount"]

    with pytest.raises(MalformedPayload):
        facts_of(item)


def login(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


LOGIN = {"webhook_user": "adyen", "webhook_password": "pass:wörd"}


def test_a_login_that_is_configured_is_checked_beside_the_signature() -> None:
    body = body_of([signed(sample("refund"), HMAC_KEY)])
    unsigned = body_of([sample("refund")])

    assert connector(**LOGIN).parse_callback(callback(body, login("adyen", "pass:wörd")))
    assert refusal_of(callback(unsigned, login("adyen", "pass:wörd")), **LOGIN) == "signature_missing"


@pytest.mark.parametrize(
    "headers",
    [
        login("adyen", "wrong"),
        login("other", "pass:wörd"),
        login("adyen", ""),
        {"authorization": "Basic"},
        {"authorization": "Bearer x"},
        {"authorization": "é"},
    ],
)
def test_a_wrong_login_is_refused(headers: dict[str, str]) -> None:
    body = body_of([signed(sample("refund"), HMAC_KEY)])

    assert refusal_of(callback(body, headers), **LOGIN) == "signature_invalid"


def test_a_login_that_is_missing_or_comes_twice_is_refused() -> None:
    body = body_of([signed(sample("refund"), HMAC_KEY)])
    twice = [*login("adyen", "pass:wörd").items()] * 2
    repeated = Callback(account=ACCOUNT, body=body, headers=twice, received_at=SIGNED_AT)

    assert refusal_of(callback(body), **LOGIN) == "signature_missing"
    assert refusal_of(repeated, **LOGIN) == "signature_missing"


TOKEN_EVENT = (FIXTURES / "adyen" / "recurring.token.created.json").read_bytes()


@pytest.mark.parametrize("key", [TOKEN_HMAC_KEY, HMAC_KEY])
def test_an_event_of_another_kind_is_proven_by_its_header(key: str) -> None:
    signature = sign(TOKEN_EVENT, key)
    assert is_valid_hmac_payload(signature, key, TOKEN_EVENT)

    (fact,) = connector().parse_callback(callback(TOKEN_EVENT, {"hmacsignature": signature}))

    assert (fact.kind, fact.provider_reference) == (FactKind.IGNORED, "M5N7TQ4TG5PFWR50")
    assert fact.gateway_event_id == "recurring.token.created:QBQQ9DLNRHHKGK38"


def test_an_event_of_another_kind_is_refused_unless_its_header_is_right() -> None:
    signature = sign(TOKEN_EVENT, TOKEN_HMAC_KEY)
    changed = TOKEN_EVENT.replace(b"M5N7", b"M5N8")
    twice = [("hmacsignature", signature)] * 2

    assert refusal_of(callback(TOKEN_EVENT)) == "signature_missing"
    assert refusal_of(callback(changed, {"hmacsignature": signature})) == "signature_invalid"
    assert refusal_of(callback(TOKEN_EVENT, {"hmacsignature": sign(TOKEN_EVENT, "ab" * 32)})) == "signature_invalid"
    repeated = Callback(account=ACCOUNT, body=TOKEN_EVENT, headers=twice, received_at=SIGNED_AT)
    assert refusal_of(repeated) == "signature_missing"


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b"{}", b'{"notificationItems": []}'])
def test_a_body_proven_by_its_header_and_unreadable_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        connector().parse_callback(callback(body, {"hmacsignature": sign(body, HMAC_KEY)}))


def test_a_header_does_not_stand_for_the_signatures_of_items() -> None:
    body = body_of([sample("refund")])

    assert refusal_of(callback(body, {"hmacsignature": sign(body, HMAC_KEY)})) == "signature_missing"


def test_a_key_of_the_tokens_webhook_does_not_prove_items() -> None:
    body = body_of([signed(sample("refund"), TOKEN_HMAC_KEY)])

    assert refusal_of(callback(body)) == "signature_invalid"


def test_a_key_that_is_not_hexadecimal_proves_nothing() -> None:
    credentials = AdyenCredentials.model_validate(CREDENTIALS).model_copy(update={"hmac_key": SecretStr("not hex")})

    with pytest.raises(VerificationFailed) as refusal:
        AdyenConnector(credentials).parse_callback(callback(body_of([signed(sample("refund"), HMAC_KEY)])))

    assert refusal.value.code == "secret_missing"


def test_a_callback_never_grows_stale() -> None:
    body = body_of([signed(sample("refund"), HMAC_KEY)])
    late = Callback(account=ACCOUNT, body=body, headers=(), received_at=SIGNED_AT + timedelta(days=29))

    (fact,) = connector().parse_callback(late)

    assert fact.occurred_at == datetime(2026, 1, 2, 2, 0, tzinfo=UTC)
