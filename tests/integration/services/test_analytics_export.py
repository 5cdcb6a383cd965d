"""Exports for analysts: every record once, in every format, also after a stop in the middle; and what the page says."""

# ruff: noqa: S608 - the queries are made of the names and paths of this file.

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bootstrap.settings import Settings
from domain.errors import InvalidInput, MalformedPayload, OperationNotAllowed
from domain.money import EXPONENTS
from domain.settlement import BatchStatus
from services.analytics_export import arrow, duckdb_target, file_target
from services.analytics_export.columns import shape_of
from services.analytics_export.export import (
    DEFAULT_TOPICS,
    ExportFormat,
    ExportReport,
    export_topics,
    topics_named,
)
from services.analytics_export.offsets import OFFSETS_FILE, alone_in
from storage.outbox import OutboxMessage
from tests.integration.services.settlement_topics import (
    PARTNER,
    TENANT,
    batch,
    delete_key,
    entry,
    event,
    publish,
    window,
)
from topics.catalog import PAYOUT_BATCHES, RAW_WEBHOOKS, SETTLEMENT_ENTRIES

PAGE = Path(__file__).parents[3] / "docs" / "analytics.md"
COUNT = 12
MESSAGES: list[OutboxMessage] = [
    *(entry(number) for number in range(1, COUNT - 2)),
    entry(COUNT - 2, gross_minor=-400, cause="refund"),
    entry(COUNT - 1, recipient=PARTNER),
    entry(COUNT, recipient=PARTNER),
    # Delivered again.
    entry(1),
    *(batch(1, status) for status in (BatchStatus.DRAFT, BatchStatus.APPROVED, BatchStatus.COMPLETED)),
    batch(2, BatchStatus.PROCESSING),
    batch(3, BatchStatus.FAILED),
    *(event(number, "payment.completed") for number in range(1, 5)),
    event(1, "refund.succeeded"),
    window(941, 1),
    window(941 * 9 - 400, 10),
    window(941 * 2, 2, recipient=PARTNER),
]


async def run(
    settings: Settings, directory: Path, export_format: ExportFormat = ExportFormat.PARQUET, *names: str
) -> ExportReport:
    kafka = settings.kafka
    return await export_topics(
        kafka.bootstrap_servers, kafka.topic_prefix, export_format, directory, topics_named(names)
    )


def ask(directory: Path, export_format: ExportFormat, query: str) -> list[tuple[Any, ...]]:
    """Ask an export something about its settlement entries, called `rows`."""
    if export_format is ExportFormat.DUCKDB:
        with duckdb.connect(str(directory / duckdb_target.DATABASE_FILE), read_only=True) as database:
            return database.execute(query.replace("rows", "settlement_entries")).fetchall()
    folder = directory / "settlement_entries"
    source = {
        ExportFormat.PARQUET: f"read_parquet('{folder}/*.parquet')",
        ExportFormat.JSON_LINES: (
            "(select value ->> 'entry_id' as entry_id, partition as kafka_partition, \"offset\" as kafka_offset,"
            f" cast(value ->> 'net_minor' as bigint) as net_minor from read_json('{folder}/*.jsonl',"
            " columns = {partition: 'bigint', \"offset\": 'bigint', value: 'json'}))"
        ),
    }[export_format]
    with duckdb.connect() as database:
        return database.execute(query.replace("rows", source)).fetchall()


@pytest.fixture
async def filled(topics_created: Settings) -> Settings:
    """Topics with records of every kind."""
    await publish(topics_created, MESSAGES)
    return topics_created


@pytest.mark.parametrize("export_format", list(ExportFormat))
async def test_every_record_is_exported_once_however_often_it_runs(
    filled: Settings, tmp_path: Path, export_format: ExportFormat
) -> None:
    first = await run(filled, tmp_path, export_format)
    assert list(first.written.values()) == [COUNT + 1, 3, 5, 5]
    assert list((await run(filled, tmp_path, export_format)).written.values()) == [0, 0, 0, 0]
    await publish(filled, [entry(77), entry(78)], first_sequence=100)
    assert (await run(filled, tmp_path, export_format)).written[SETTLEMENT_ENTRIES.name] == 2
    query = "select count(*), count(distinct (kafka_partition, kafka_offset)), count(distinct entry_id) from rows"
    assert ask(tmp_path, export_format, query) == [(COUNT + 3, COUNT + 3, COUNT + 2)]
    total = "select sum(net_minor) from (select distinct entry_id, net_minor from rows)"
    assert ask(tmp_path, export_format, total) == [(13 * 941 - 400,)]


def names(directory: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in directory.glob(pattern))


def read_lines(folder: Path) -> list[dict[str, Any]]:
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))
    return [json.loads(line) for text in texts for line in text.splitlines()]


class Stopped(Exception):
    """What kills an export in a test."""


@pytest.mark.parametrize("export_format", list(ExportFormat))
@pytest.mark.parametrize("moment", ["write", "end"])
async def test_an_export_that_is_killed_goes_on_and_doubles_nothing(
    filled: Settings, tmp_path: Path, export_format: ExportFormat, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {ExportFormat.DUCKDB: duckdb_target.DuckDbTarget}.get(export_format, file_target.FileTarget)
    whole: Callable[..., None] = getattr(target, moment)
    calls = 0

    def dies(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stopped
        whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(target, moment, dies)
        with pytest.raises(Stopped):
            await run(filled, tmp_path, export_format)
    await run(filled, tmp_path, export_format)
    query = "select count(*), count(distinct (kafka_partition, kafka_offset)) from rows"
    assert ask(tmp_path, export_format, query) == [(COUNT + 1, COUNT + 1)]
    assert not names(tmp_path, "*/.*")


async def test_a_run_killed_before_it_saved_its_state_replaces_its_own_files(filled: Settings, tmp_path: Path) -> None:
    await run(filled, tmp_path)
    (tmp_path / OFFSETS_FILE).unlink()
    await publish(filled, [entry(77)], first_sequence=100)
    await run(filled, tmp_path)
    assert ask(tmp_path, ExportFormat.PARQUET, "select count(*) from rows") == [(COUNT + 2,)]


async def test_rows_have_their_types_their_place_and_their_headers(filled: Settings, tmp_path: Path) -> None:
    batch_key = batch(3, BatchStatus.FAILED).key
    await delete_key(filled, PAYOUT_BATCHES, batch_key)
    await run(filled, tmp_path, ExportFormat.PARQUET)
    with duckdb.connect() as database:
        kinds = dict(
            database.execute(
                f"select column_name, column_type from (describe from '{tmp_path}/*batches/*.parquet')"
            ).fetchall()
        )
        assert {kinds[name] for name in ("net_minor", "kafka_offset", "ce_sequence")} == {"BIGINT"}
        assert {kinds[name] for name in ("created_at", "ce_time", "kafka_timestamp")} == {"TIMESTAMP WITH TIME ZONE"}
        assert (kinds["payment_ids"], kinds["payment_ids_complete"]) == ("VARCHAR[]", "BOOLEAN")
        deleted = database.execute(
            f"select kafka_key, payout_batch_id from '{tmp_path}/*batches/*.parquet' where kafka_deleted"
        ).fetchall()
        assert deleted == [(batch_key, None)]
        told = database.execute(
            f"select ce_id, ce_type, metadata ->> 'shop' from '{tmp_path}/payments_events/*.parquet'"
            " where type = 'refund.succeeded'"
        ).fetchall()
        assert told == [("refund.succeeded-1", "paystream.refund.succeeded", "née")]


async def test_json_lines_are_the_records_as_they_are(filled: Settings, tmp_path: Path) -> None:
    await run(filled, tmp_path, ExportFormat.JSON_LINES, SETTLEMENT_ENTRIES.name)
    lines = read_lines(tmp_path / "settlement_entries")
    sent = {message.headers[1][1]: message for message in MESSAGES if message.topic == SETTLEMENT_ENTRIES.name}
    assert len(lines) == COUNT + 1
    for line in lines:
        message = sent[line["headers"]["ce_id"]]
        assert line["value"] == json.loads(message.payload)
        assert (line["key"], line["topic"]) == (message.key, message.topic)
        assert dict(message.headers).items() <= line["headers"].items()
    assert names(tmp_path, "*") == [".lock", "_offsets.json", "settlement_entries"]


async def test_a_folder_of_another_export_and_a_topic_made_anew_are_refused(filled: Settings, tmp_path: Path) -> None:
    await run(filled, tmp_path)
    with pytest.raises(InvalidInput):
        await run(filled, tmp_path, ExportFormat.JSON_LINES)
    state = json.loads((tmp_path / OFFSETS_FILE).read_text(encoding="utf-8"))
    state["offsets"][SETTLEMENT_ENTRIES.name] = dict.fromkeys(state["offsets"][SETTLEMENT_ENTRIES.name], 10_000)
    (tmp_path / OFFSETS_FILE).write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(OperationNotAllowed, match="made anew"):
        await run(filled, tmp_path)
    (tmp_path / OFFSETS_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInput):
        await run(filled, tmp_path)
    with alone_in(tmp_path), pytest.raises(InvalidInput, match="another export"):
        await run(filled, tmp_path)


async def test_a_record_that_is_no_message_of_its_topic_is_named(filled: Settings, tmp_path: Path) -> None:
    message = entry(99)
    spoiled = OutboxMessage(
        topic=message.topic, key=message.key, type=message.type, payload='{"entry_id": 1}', headers=message.headers
    )
    await publish(filled, [spoiled])
    with pytest.raises(
        MalformedPayload, match=r"settlement\.entries\.v1, partition \d, offset \d+ is not a Settlement"
    ):
        await run(filled, tmp_path)


def test_only_topics_with_messages_can_be_exported() -> None:
    assert topics_named([]) == DEFAULT_TOPICS
    with pytest.raises(InvalidInput, match="there is no topic"):
        topics_named(["payments.nothing.v1"])
    with pytest.raises(InvalidInput, match="cannot be exported"):
        shape_of(RAW_WEBHOOKS)


def test_without_the_extra_the_error_says_what_to_install() -> None:
    with pytest.raises(InvalidInput, match=r"paystream\[analytics\]"):
        arrow.require("a_library_that_nobody_has")


def sql_blocks() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


async def test_every_query_of_the_page_runs_over_every_export(filled: Settings, tmp_path: Path) -> None:
    folders = {
        ExportFormat.PARQUET: tmp_path / "export",
        ExportFormat.DUCKDB: tmp_path / "export-db",
        ExportFormat.JSON_LINES: tmp_path / "export-json",
    }
    for export_format, folder in folders.items():
        await run(filled, folder, export_format)
    folders_block, *queries = sql_blocks()
    answers = []
    for export_format, first in ((ExportFormat.PARQUET, [folders_block]), (ExportFormat.DUCKDB, [])):
        file = folders[export_format] / duckdb_target.DATABASE_FILE
        with duckdb.connect(":memory:" if export_format is ExportFormat.PARQUET else str(file)) as database:
            database.execute(f"set file_search_path = '{tmp_path}'")
            database.execute("set timezone = 'UTC'")
            answers.append([database.execute(block).fetchall() for block in (*first, *queries)][len(first) :])
    parquet, duck = answers
    views, by_day, owed, waiting, steps, until_paid, shares, differences, plain = parquet
    assert [len(answer) for answer in duck] == [len(answer) for answer in parquet]
    assert (duck[1], duck[2], duck[6]) == (by_day, owed, shares)
    assert views == []
    assert [row[3:8] for row in by_day] == [
        ("EUR", 9_000, -400, 531, 8_069),
        ("JPY", 2_000, 0, 118, 1_882),
    ]
    assert [str(row[8]) for row in by_day] == ["80.690", "1882.000"]
    assert {row[2]: row[-1] for row in owed} == {"demo": 8_069 - 941 - 941, "atelier": 1_882}
    assert [(row[3], str(row[4])) for row in waiting] == [("processing", "9.410")]
    assert [row[1] for row in steps][:3] == ["draft", "approved", "completed"]
    assert until_paid == [("stripe", 1, 5.0, 5.0)]
    assert shares == [("demo", "stripe", "EUR", 4, 1, 0, 25.0)]
    assert differences == []
    assert plain == [("atelier", "JPY", 1_882, 2), ("demo", "EUR", 8_069 + 941, 10)]
    assert TENANT.currency == "EUR"


def test_the_page_knows_how_each_currency_is_counted() -> None:
    (macro,) = (block for block in sql_blocks() if "create macro major" in block)
    none, three = re.findall(r"in \((.*?)\) then", macro, flags=re.DOTALL)
    assert set(re.findall("[A-Z]{3}", none)) == {code for code, places in EXPONENTS.items() if places == 0}
    assert set(re.findall("[A-Z]{3}", three)) == {code for code, places in EXPONENTS.items() if places == 3}
    assert set(EXPONENTS.values()) == {0, 2, 3}
