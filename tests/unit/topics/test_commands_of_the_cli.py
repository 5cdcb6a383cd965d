"""`paystream topics`: what it prints and how it exits, without a broker."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.topics import app
from topics.asyncapi import export_asyncapi, render
from topics.catalog import TOPICS

RUNNER = CliRunner()


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on: one that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_the_list_names_every_topic_once() -> None:
    lines = RUNNER.invoke(app, ["list"]).stdout.splitlines()
    for spec in TOPICS:
        assert len([line for line in lines if spec.name in line.split()]) == 1


def test_the_list_as_json_has_what_the_catalog_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYSTREAM_KAFKA__TOPIC_PREFIX", "staging.")
    rows = json.loads(RUNNER.invoke(app, ["list", "--json"]).stdout)
    assert [row["topic"] for row in rows] == ["staging." + spec.name for spec in TOPICS]
    assert {tuple(row) for row in rows} == {("topic", "key", "model", "partitions", "kept")}
    assert [row["partitions"] for row in rows] == [spec.partitions for spec in TOPICS]


def test_the_export_is_the_document() -> None:
    result = RUNNER.invoke(app, ["export-asyncapi"])
    assert result.exit_code == 0
    assert result.stdout == render(export_asyncapi())


def test_the_check_passes_on_what_was_exported(tmp_path: Path) -> None:
    committed = tmp_path / "asyncapi.json"
    committed.write_text(render(export_asyncapi()), encoding="utf-8")
    assert RUNNER.invoke(app, ["export-asyncapi", "--check", str(committed)]).exit_code == 0


@pytest.mark.parametrize("text", [None, "", '{"asyncapi": "3.0.0"}\n'])
def test_the_check_fails_on_anything_else_and_says_what_to_run(tmp_path: Path, text: str | None) -> None:
    committed = tmp_path / "asyncapi.json"
    if text is not None:
        committed.write_text(text, encoding="utf-8")
    result = RUNNER.invoke(app, ["export-asyncapi", "--check", str(committed)])
    assert result.exit_code == 1
    assert f"paystream topics export-asyncapi > {committed}" in result.stderr


def test_creating_without_a_broker_says_which_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{closed_port}")
    result = RUNNER.invoke(app, ["create"])
    assert result.exit_code == 1
    assert f"127.0.0.1:{closed_port}" in result.stderr
    assert "Traceback" not in result.stderr
