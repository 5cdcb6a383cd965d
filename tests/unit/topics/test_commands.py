"""Commands refuse card numbers and unknown fields, and a command that cannot be read is explained without its input."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from topics.commands import PaymentCommand
from topics.unreadable_commands import explain, read_identity

CARD = "4242 4242 4242 4242"
ONE_WORD = CARD.replace(" ", "")
BASE = {"command_id": "c1", "account": "demo", "requested_at": "2026-01-02T00:00:00Z"}
NEW = {"payment_id": "p1", "amount_minor": 1, "currency": "USD", "resource_type": "order", "resource_id": "o1"}
CREATE = {**BASE, **NEW, "kind": "create_payment", "gateway": "stripe"}
MANUAL = {**BASE, **NEW, "kind": "submit_manual_payment", "method": "check", "transaction_reference": "t1"}
REFUND = {**BASE, "kind": "refund", "payment_id": "p1"}
MANDATE = {**BASE, "kind": "setup_mandate", "mandate_id": "m1", "gateway": "s", "customer_id": "c", "currency": "USD"}
METHOD = {
    **BASE,
    "kind": "save_payment_method",
    "payment_method_id": "m",
    "gateway": "s",
    "customer_id": "c",
    "token": "t",
}
AUTHORIZE = {**BASE, "kind": "authorize", "payment_id": "p1", "payment_method_token": "t"}
REDIRECT = {**BASE, "kind": "verify_redirect", "payment_id": "p1"}
COMPLETE = {**BASE, "kind": "complete", "payment_id": "p1", "provider_reference": "pi_1"}

CARD_NUMBERS: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    (CREATE, {"metadata": {"note": f"paid with {CARD}"}}, "metadata.note"),
    (CREATE, {"metadata": {ONE_WORD: "x"}}, "metadata"),
    (CREATE, {"description": f"card {CARD} 12/30"}, "description"),
    (CREATE, {"user_name": CARD}, "user_name"),
    (CREATE, {"user_id": ONE_WORD}, "user_id"),
    (CREATE, {"resource_id": f"order-{ONE_WORD}"}, "resource_id"),
    (CREATE, {"resource_type": ONE_WORD}, "resource_type"),
    (CREATE, {"payment_id": ONE_WORD}, "payment_id"),
    (CREATE, {"actor": ONE_WORD}, "actor"),
    (
        CREATE,
        {"splits": [{"recipient_type": "partner", "recipient_id": ONE_WORD, "amount_minor": 1}]},
        "splits.0.recipient_id",
    ),
    (MANUAL, {"notes": CARD}, "notes"),
    (MANUAL, {"transaction_reference": ONE_WORD}, "transaction_reference"),
    (REFUND, {"reason": f"wrong card: {CARD}"}, "reason"),
    (AUTHORIZE, {"payment_method_token": ONE_WORD}, "payment_method_token"),
    (AUTHORIZE, {"return_url": f"https://shop.example/?card={ONE_WORD}"}, "return_url"),
    (METHOD, {"token": ONE_WORD}, "token"),
    (METHOD, {"customer_id": ONE_WORD}, "customer_id"),
    (MANDATE, {"payment_method_token": ONE_WORD}, "payment_method_token"),
    (REDIRECT, {"parameters": {"pan": ONE_WORD}}, "parameters.pan"),
    (COMPLETE, {"provider_reference": ONE_WORD}, "provider_reference"),
)

UNREADABLE: tuple[tuple[dict[str, Any], str | None, str], ...] = (
    ({"amount_minor": "12"}, "amount_minor", "valid integer"),
    ({"amount_minor": 0}, "amount_minor", "greater than 0"),
    ({"currency": "usd"}, "currency", "pattern"),
    ({"metadata": {"a": "nul \x00"}}, "metadata.a", "pattern"),
    ({"requested_at": "yesterday"}, "requested_at", "datetime"),
    ({"requested_at": "2026-01-02T00:00:00"}, "requested_at", "timezone"),
    ({"amuont_minor": 5}, "amuont_minor", "not permitted"),
    ({ONE_WORD: 5}, None, "not permitted"),
    ({"kind": ONE_WORD}, "kind", "no such kind"),
    ({"kind": None}, "kind", "no such kind"),
)


def error_of(content: dict[str, Any]) -> ValidationError:
    """The validator's error for a command."""
    with pytest.raises(ValidationError) as raised:
        PaymentCommand.model_validate_json(json.dumps({"command": content}))
    return raised.value


@pytest.mark.parametrize(("content", "changes", "field"), CARD_NUMBERS, ids=lambda value: str(value)[:40])
def test_a_card_number_is_refused_in_every_field_and_never_repeated(
    content: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    PaymentCommand.model_validate_json(json.dumps({"command": content}))
    refusal = explain(error_of({**content, **changes}))
    assert (refusal.code, refusal.field) == ("card_number_refused", field)
    for text in (refusal.message, repr(refusal), str(refusal.field)):
        assert CARD not in text
        assert ONE_WORD not in text


@pytest.mark.parametrize(("changes", "field", "says"), UNREADABLE, ids=lambda value: str(value)[:40])
def test_a_command_that_cannot_be_read_is_explained_without_its_input(
    changes: dict[str, Any], field: str | None, says: str
) -> None:
    refusal = explain(error_of({**CREATE, **changes}))
    assert (refusal.code, refusal.field) == ("invalid_input", field)
    assert says in refusal.message
    assert ONE_WORD not in refusal.message


def test_a_card_number_is_told_before_anything_else() -> None:
    refusal = explain(error_of({**CREATE, "amount_minor": "many", "user_name": CARD}))
    assert (refusal.code, refusal.field) == ("card_number_refused", "user_name")


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("subject", ["payment_id", "mandate_id", "payment_method_id", "invoice_id"])
def test_whose_a_command_is_can_be_read_from_what_is_no_command(subject: str, *, wrapped: bool) -> None:
    content = {"command_id": "c1", "account": "demo", subject: "s1", "kind": "refund", "amount_minor": "?"}
    identity = read_identity(json.dumps({"command": content} if wrapped else content).encode())
    assert identity is not None
    assert (identity.command_id, identity.account, identity.subject_id) == ("c1", "demo", "s1")
    assert identity.payment_id == ("s1" if subject == "payment_id" else None)
    assert identity.kind == "refund"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'{"command": {}}',
        b'{"command": {"command_id": "c1", "account": "demo"}}',
        b'{"command": {"command_id": "c1", "payment_id": "p1"}}',
        b'{"command": {"account": "demo", "payment_id": "p1"}}',
        b'{"command": {"command_id": 7, "account": "demo", "payment_id": "p1"}}',
        b'{"command": {"command_id": "c 1", "account": "demo", "payment_id": "p1"}}',
        b'{"command": {"command_id": "4242424242424242", "account": "demo", "payment_id": "p1"}}',
        b'{"command": {"command_id": "c1", "account": "demo", "payment_id": "4242424242424242"}}',
        b"[" * 100_000,
    ],
    ids=lambda value: str(value[:60]),
)
def test_nobody_can_be_answered_without_ids_that_may_be_repeated(value: bytes) -> None:
    assert read_identity(value) is None


def test_the_digest_leaves_out_only_the_time_of_asking() -> None:
    def digest(**changes: object) -> str:
        identity = read_identity(json.dumps({"command": {**REFUND, **changes}}).encode())
        assert identity is not None
        return identity.digest

    assert digest(requested_at="later") == digest()
    assert digest(amount_minor=1) != digest()


@pytest.mark.parametrize("kind", ["4242424242424242", None, 5, {}])
def test_an_unknown_kind_is_not_repeated(kind: object) -> None:
    identity = read_identity(json.dumps({"command": {**REFUND, "kind": kind}}).encode())
    assert identity is not None
    assert identity.kind == "unknown"
