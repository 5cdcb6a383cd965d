"""The committed OpenAPI document, and the check that it is the code's."""

from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from cli.openapi import openapi_text

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_the_committed_document_is_the_codes() -> None:
    result = CliRunner().invoke(app, ["docs", "openapi", "--check", str(COMMITTED)])
    assert result.exit_code == 0, result.output


def test_a_document_that_is_not_is_told_with_the_way_to_mend_it(tmp_path: Path) -> None:
    other = tmp_path / "openapi.json"
    other.write_text(openapi_text().replace("/v1/payments", "/v1/pennies"), encoding="utf-8")

    result = CliRunner().invoke(app, ["docs", "openapi", "--check", str(other)])

    assert result.exit_code == 1
    assert "paystream docs openapi >" in result.output
    assert "/v1/pennies" in result.output


def test_printing_is_repeatable() -> None:
    first, second = (CliRunner().invoke(app, ["docs", "openapi"]).stdout for _ in range(2))
    assert first == second == openapi_text()
