"""`paystream bench report` shows figures again, and what cannot be read is said plainly."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from cli.bench import app

RUNNER = CliRunner()
FIGURES = {
    "bench": "scaling",
    "ratio_two_to_one": 1.7,
    "charts": [{"kind": "bars", "title": "t", "bars": [["one", 1], ["two", 2]]}],
}


def test_figures_become_a_table_for_a_document_and_charts(tmp_path: Path) -> None:
    run = tmp_path / "scaling.json"
    run.write_text(json.dumps(FIGURES), encoding="utf-8")
    result = RUNNER.invoke(app, ["report", str(run), "--markdown", "--charts", str(tmp_path / "charts")])
    assert result.exit_code == 0, result.output
    row = "| scaling | two worker processes to one, by callbacks a second | 1.70 | ≥ 1.6 | met |"
    assert row in result.output.splitlines()
    assert (tmp_path / "charts" / "scaling-1.svg").exists()


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]", encoding="utf-8")
    result = RUNNER.invoke(app, ["report", str(other)])
    assert result.exit_code == 2
    # The message is in a box, which breaks long paths anywhere.
    assert "other.json" in re.sub(r"[\s│]", "", result.output)


def test_sizes_that_are_no_numbers_are_refused_before_anything_starts() -> None:
    for sizes in ("ten", "500", "10000,,20000", ""):
        result = RUNNER.invoke(app, ["growth", "--sizes", sizes])
        assert result.exit_code == 2
        assert "--sizes" in result.output
