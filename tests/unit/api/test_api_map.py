"""docs/api-map.md names operations that exist."""

import re
from pathlib import Path

from api.app import openapi_document

MAP = Path(__file__).parents[3] / "docs" / "api-map.md"
OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^` ]*)`")


def rows() -> list[list[str]]:
    """The cells of every row under the heading."""
    lines = [line for line in MAP.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_operation_of_ours_in_the_map_exists() -> None:
    paths = openapi_document()["paths"]
    known = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    named = {(method, path) for row in rows() for method, path in OPERATION.findall(row[-1])}

    assert len(named) > 30
    assert named <= known, named - known


def test_every_row_names_something_of_ours() -> None:
    found = rows()
    assert len(found) > 35
    for row in found:
        assert len(row) == 3, row
        assert OPERATION.search(row[-1]), row


def test_every_v1_address_is_named_with_its_method() -> None:
    """A path that the pattern above did not read would not be checked."""
    for row in rows():
        assert row[-1].count("/v1/") == len(OPERATION.findall(row[-1])), row
