"""The live view adds each entry once, whatever is replayed, and keeps nothing that is not published."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.records import Record
from agents.settle import KEPT, TotalsView, empty_window, recipient_of, totals_of, window_key, with_entry
from bootstrap.settings import KafkaSettings
from domain.ledger import Cause
from domain.settlement import Recipient, Window
from domain.window_totals import WindowTotals
from services.settle import SettlementRules, Windows
from storage.outbox import shard_of
from topics.message import SEQUENCE_HEADER
from topics.settlement import SettlementEntry, SettlementWindow

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = Window(NOW.replace(minute=0, second=0), NOW.replace(hour=4, minute=0, second=0))
SHOP = Recipient("demo", "tenant", "demo", "USD")
KEY = "demo:tenant:demo:USD:2026-01-02T03:00:00+00:00"
RULES = SettlementRules(window_seconds=3600, grace_seconds=0, auto_approve_threshold_minor=0)


class FakeProducer:
    """Keeps what is sent; refuses as often as it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any, int]] = []
        self.refuses = 0

    async def send(
        self, topic: str, *, key: bytes, value: bytes | None, partition: int, headers: object = ()
    ) -> asyncio.Future[None]:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.refuses:
            self.refuses -= 1
            answer.set_exception(ConnectionError("the broker is gone"))
        else:
            self.sent.append((topic, key.decode(), None if value is None else json.loads(value), partition))
            answer.set_result(None)
        return answer

    def published(self) -> list[tuple[int, int]]:
        """What the windows topic was told: (net, sequence)."""
        return [(value["net_minor"], value["sequence"]) for topic, _, value, _ in self.sent if "windows" in topic]


def entry(
    gross_minor: int, fee_minor: int = 0, cause: Cause = Cause.CAPTURE, at: datetime = NOW, recipient_id: str = "demo"
) -> SettlementEntry:
    return SettlementEntry(
        entry_id="e1",
        account="demo",
        recipient_type="tenant",
        recipient_id=recipient_id,
        currency="USD",
        payment_id="p1",
        gateway="stripe",
        cause=cause,
        gross_minor=gross_minor,
        fee_minor=fee_minor,
        net_minor=gross_minor - fee_minor,
        occurred_at=at,
    )


def records(*entries: tuple[int, SettlementEntry]) -> Sequence[Record]:
    """Entries as the stream brings them, each with its sequence."""
    return [
        Record(
            topic="settlement.entries.v1",
            partition=0,
            offset=sequence,
            key=recipient_of(value).key.encode(),
            value=value.model_dump_json().encode(),
            headers=((SEQUENCE_HEADER, str(sequence).encode()),),
        )
        for sequence, value in entries
    ]


def added(*entries: tuple[int, SettlementEntry]) -> SettlementWindow:
    value = empty_window(SHOP, HOUR)
    for sequence, one in entries:
        value = with_entry(value, one, sequence)
    return value


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def rows() -> dict[str, Any]:
    """What stands in for the table's store."""
    return {}


@pytest.fixture
def view(producer: FakeProducer, rows: dict[str, Any]) -> TotalsView:
    return TotalsView(rows, producer, KafkaSettings(), Windows({}, RULES), lambda: NOW)


def test_entries_add_up_by_cause_and_the_sequence_is_the_highest() -> None:
    second = timedelta(seconds=1)
    value = added(
        (7, entry(1000, 30)),
        (8, entry(-400, -12, Cause.REFUND, NOW - second)),
        (9, entry(-50, 0, Cause.DISPUTE_LOST, NOW + second)),
        (11, entry(-550, 0, Cause.REVERSAL)),
    )
    assert (value.sequence, value.window_end) == (11, HOUR.end)
    assert totals_of(value) == WindowTotals(
        gross_minor=0,
        fee_minor=18,
        net_minor=-18,
        captures_minor=1000,
        refunds_minor=-400,
        disputes_minor=-50,
        reversals_minor=-550,
        entry_count=4,
        capture_count=1,
        refund_count=1,
        dispute_count=1,
        reversal_count=1,
        first_event_at=NOW - second,
        last_event_at=NOW + second,
    )


def test_a_replayed_entry_adds_nothing() -> None:
    value = added((7, entry(1000, 30)))
    assert with_entry(value, entry(1000, 30), 7) is value
    assert with_entry(value, entry(999, 30), 3) is value


def test_an_older_record_tells_only_what_it_tells() -> None:
    older = SettlementWindow.model_validate(
        {
            "account": "demo",
            "recipient_type": "tenant",
            "recipient_id": "demo",
            "currency": "USD",
            "window_start": HOUR.start,
            "window_end": HOUR.end,
            "gross_minor": 10,
            "fee_minor": 1,
            "net_minor": 9,
            "entry_count": 1,
            "sequence": 3,
        }
    )
    assert totals_of(older) == WindowTotals(gross_minor=10, fee_minor=1, net_minor=9, entry_count=1)


async def test_a_batch_is_published_once_per_window_and_logged_in_the_entries_partition(
    view: TotalsView, producer: FakeProducer, rows: dict[str, Any]
) -> None:
    later = entry(5, at=HOUR.end)
    await view.process(records((1, entry(100)), (2, entry(50)), (3, later)))
    assert producer.published() == [(150, 2), (5, 3)]
    assert [(topic, key, partition) for topic, key, _, partition in producer.sent if "changelog" in topic] == [
        ("paystream-settle-window-totals-changelog", json.dumps(key), shard_of(SHOP.key))
        for key in (KEY, window_key(SHOP, HOUR.end))
    ]
    assert set(rows) == {KEY, window_key(SHOP, HOUR.end)}


async def test_what_faust_recovered_is_added_to(view: TotalsView, producer: FakeProducer, rows: dict[str, Any]) -> None:
    rows[KEY] = json.loads(added((7, entry(1000, 30))).model_dump_json())
    await view.process(records((7, entry(1000, 30)), (8, entry(20))))
    assert producer.published() == [(990, 8)]


async def test_a_repeated_batch_is_published_again_and_adds_nothing(view: TotalsView, producer: FakeProducer) -> None:
    for _ in range(2):
        await view.process(records((1, entry(100)), (2, entry(50))))
    assert producer.published() == [(150, 2), (150, 2)]


@pytest.mark.parametrize("refused", [1, 2])
async def test_what_could_not_be_stored_is_not_kept_and_comes_again(
    view: TotalsView, producer: FakeProducer, rows: dict[str, Any], refused: int
) -> None:
    producer.refuses = refused
    with pytest.raises(ConnectionError):
        await view.process(records((1, entry(100))))
    assert rows == {}
    await view.process(records((1, entry(100)), (2, entry(50))))
    assert producer.published()[-1] == (150, 2)


async def test_a_window_that_is_over_for_long_is_left_to_the_comparison(
    view: TotalsView, producer: FakeProducer
) -> None:
    old = entry(100, at=NOW - KEPT - timedelta(hours=2))
    await view.process(records((1, old)))
    assert producer.sent == []
    assert view.touched == {window_key(SHOP, HOUR.start - KEPT - timedelta(hours=2))}


async def test_a_record_carries_the_newest_watermark(view: TotalsView, producer: FakeProducer) -> None:
    view.watermark = NOW
    await view.process(records((1, entry(100))))
    assert producer.sent[0][2]["watermark"] == "2026-01-02T03:04:05Z"


async def test_what_is_forgotten_publicly_leaves_the_topic_too(
    view: TotalsView, producer: FakeProducer, rows: dict[str, Any]
) -> None:
    await view.process(records((1, entry(100)), (2, entry(50, recipient_id="other"))))
    producer.sent.clear()
    async with view.lock:
        await view.forget(KEY, publicly=True)
        await view.forget("demo:tenant:other:USD:2026-01-02T03:00:00+00:00")
        await view.forget("demo:tenant:nobody:USD:2026-01-02T03:00:00+00:00")
    assert rows == {}
    assert [(topic.split("-")[-1], value) for topic, _, value, _ in producer.sent] == [
        ("changelog", None),
        ("settlement.windows.v1", None),
        ("changelog", None),
    ]
