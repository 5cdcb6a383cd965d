"""Messages of the outbox name the version of what they carry, and stay small."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from domain.settlement import LISTED_PAYMENTS, BatchStatus, BatchTotals, Recipient, Window
from services.messages import command_result, payout_batch
from storage.settlement import BatchRow
from topics.catalog import TOPICS
from topics.commands import CommandResult
from topics.settlement import PayoutBatch
from topics.spec import TopicSpec

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_relayed_record_names_its_topics_version_and_model() -> None:
    result = CommandResult(
        command_id="c1", subject_id="p1", account="demo", kind="sync", outcome="succeeded", completed_at=NOON
    )
    message = command_result(result)
    assert dict(message.headers)["ce_dataschema"] == "urn:paystream:payments.command-results.v1:CommandResult"
    assert CommandResult.model_validate_json(message.payload) == result


@pytest.mark.parametrize("spec", TOPICS, ids=lambda spec: spec.name)
def test_only_values_with_a_model_have_a_schema_and_no_two_topics_share_one(spec: TopicSpec) -> None:
    assert (spec.data_schema is None) == (spec.model is None)
    if spec.model is not None:
        assert [other.name for other in TOPICS if other.data_schema == spec.data_schema] == [spec.name]


def batch_of(payment_ids: tuple[str, ...], payment_count: int | None) -> BatchRow:
    return BatchRow(
        id=uuid.UUID(int=1),
        recipient=Recipient("demo", "tenant", "demo", "USD"),
        totals=BatchTotals(1000, 59, 941 - 94 + 10, 3, payment_ids, 94, 10),
        period=Window(NOON - timedelta(hours=1), NOON),
        status=BatchStatus.DRAFT,
        created_by="settlement-agent",
        created_at=NOON,
        required_approvals=2,
        payment_count=payment_count,
    )


def test_a_batch_tells_what_it_pays_holds_and_releases() -> None:
    told = PayoutBatch.model_validate_json(payout_batch(batch_of(("p1", "p2"), 2), NOON).payload)
    assert told.net_minor == told.gross_minor - told.fee_minor - told.reserve_held_minor + told.reserve_released_minor
    assert (told.payment_ids, told.payment_count, told.payment_ids_complete) == (("p1", "p2"), 2, True)
    assert told.required_approvals == 2


@pytest.mark.parametrize("loaded", [LISTED_PAYMENTS, LISTED_PAYMENTS + 1])
def test_a_large_batch_names_its_first_payments_only(loaded: int) -> None:
    payment_ids = tuple(f"p{number:06}" for number in range(loaded))
    told = PayoutBatch.model_validate_json(payout_batch(batch_of(payment_ids, 1_000_000), NOON).payload)
    assert told.payment_ids == payment_ids[:LISTED_PAYMENTS]
    assert (told.payment_count, told.payment_ids_complete) == (1_000_000, False)
