"""The flat layout stays safe: our top-level names are ours alone, declared everywhere, and no file grows too long."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE_LINES = 400


def project_file() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages() -> list[str]:
    return sorted(marker.parent.name for marker in ROOT.glob("*/__init__.py"))


def source_files() -> Iterator[Path]:
    for folder in (*packages(), "tests"):
        yield from (ROOT / folder).rglob("*.py")


@pytest.mark.parametrize("package", packages())
def test_no_other_distribution_owns_our_name(package: str) -> None:
    assert set(packages_distributions()[package]) == {"paystream"}


def test_every_package_is_distributed_type_checked_and_under_the_import_law() -> None:
    tool = project_file()["tool"]
    distributed = {pattern.removesuffix("*") for pattern in tool["setuptools"]["packages"]["find"]["include"]}
    assert distributed == set(packages())
    assert set(tool["mypy"]["packages"]) == {*packages(), "tests"}
    assert set(tool["importlinter"]["root_packages"]) == set(packages())


def test_no_source_file_is_too_long_to_read_at_once() -> None:
    lines = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    assert lines
    assert {path: count for path, count in lines.items() if count >= LONGEST_FILE_LINES} == {}
