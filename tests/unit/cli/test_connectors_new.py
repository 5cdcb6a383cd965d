"""`paystream connectors new`: what it writes is whole, clean and like the committed example, and it spoils nothing."""

import subprocess
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template

import pytest
from typer.testing import CliRunner, Result

from cli.connectors import app
from cli.scaffold.generate import registry_lines
from cli.scaffold.imports import arrange_imports
from cli.scaffold.names import Names
from domain.errors import InvalidInput, Refused

RUNNER = CliRunner()
ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "paystream-acmepay"
SIX = {"__init__.py", "client.py", "errors.py", "registration.py", "status.py", "webhooks.py"}
LONGEST = "abcdefghij_klmnopqrst_uvwxyz12"

# Where imports stand, and whether lines fit, depends on the name.
whatever_the_name = pytest.mark.parametrize("key", ["acmepay", "zz", LONGEST, "http_client_too"])


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is this repository as far as a new connector and its linter can tell."""
    needed = ("pyproject.toml", "connectors/*.py", "domain/*.py", "tests/connectors/case.py", "tests/gateways/inbox.py")
    stand_ins = (
        "tests/gateways/local_gateway.py",
        "tests/gateways/serving.py",
        "tests/integration/gateways/journey.py",
    )
    for source in (path for pattern in (*needed, *stand_ins) for path in ROOT.glob(pattern)):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str) -> Result:
    return RUNNER.invoke(app, ["new", *arguments])


def refused(*arguments: str) -> str:
    result = new(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr.strip()


def files_in(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def complaints_of_ruff(directory: Path, written: Iterable[str] = (".",)) -> str:
    said, python = "", [path for path in written if path == "." or path.endswith(".py")]
    for command in (["check", "--no-cache", "--output-format", "concise"], ["format", "--no-cache", "--check"]):
        run = [sys.executable, "-m", "ruff", *command, *python]
        done = subprocess.run(run, cwd=directory, capture_output=True, text=True, check=False)
        said += "" if done.returncode == 0 else done.stdout + done.stderr
    return said


@whatever_the_name
def test_a_connector_beside_the_others_is_whole_and_clean(checkout: Path, key: str) -> None:
    before = set(files_in(checkout))

    result = new(key, "--here")

    assert result.exit_code == 0, result.stderr
    written = set(files_in(checkout)) - before
    assert {path for path in written if path.startswith("connectors/")} == {f"connectors/{key}/{name}" for name in SIX}
    assert written >= {
        f"tests/connectors/cases/{key}.py",
        f"tests/connectors/test_{key}_payments.py",
        f"tests/fixtures/{key}/order.paid.json",
        f"tests/gateways/{key}.py",
        f"tests/integration/gateways/journeys/{key}.py",
    }
    assert all(f"wrote {checkout / path}" in result.stdout for path in written)
    assert complaints_of_ruff(checkout, written) == ""


@whatever_the_name
def test_a_package_of_its_own_is_whole_and_clean(tmp_path: Path, key: str) -> None:
    result = new(key, "--package", str(tmp_path / "new"))

    assert result.exit_code == 0, result.stderr
    written = set(files_in(tmp_path / "new"))
    assert written == {
        *(f"paystream_{key}/{name}" for name in (*SIX, "py.typed")),
        "README.md",
        "pyproject.toml",
        f"tests/local_{key}.py",
        f"tests/test_{key}.py",
    }
    assert complaints_of_ruff(tmp_path / "new") == ""


def test_no_placeholder_is_left(checkout: Path) -> None:
    assert new("acmepay", "--here").exit_code == 0
    assert new("acmepay", "--package", str(checkout / "package")).exit_code == 0

    for path, content in files_in(checkout).items():
        assert "KEY" not in path
        assert not Template(content.decode()).get_identifiers(), path


def test_the_lines_for_the_registry_are_printed(checkout: Path) -> None:
    output = new("acme_pay", "--here").stdout

    lines = (
        "from connectors.acme_pay.registration import REGISTRATION as ACME_PAY",
        '    "acme_pay": ACME_PAY,',
    )
    assert registry_lines(Names.of("acme_pay")) == lines
    assert set(output.splitlines()) >= set(lines)


def test_the_committed_example_is_what_the_command_writes(tmp_path: Path) -> None:
    assert new("acmepay", "--package", str(tmp_path / "new")).exit_code == 0

    # Linting and trying the example leave caches of tools beside it.
    left_by_tools = ("__pycache__", "egg-info", "_cache/", "build/")
    committed = {
        path: content for path, content in files_in(EXAMPLE).items() if not any(mark in path for mark in left_by_tools)
    }
    assert committed == files_in(tmp_path / "new")


def test_a_name_for_people_goes_where_people_read(tmp_path: Path) -> None:
    assert new("acmepay", "--package", str(tmp_path), "--display-name", "AcmePay (EU)").exit_code == 0

    registration = (tmp_path / "paystream_acmepay" / "registration.py").read_text(encoding="utf-8")
    assert 'display_name="AcmePay (EU)"' in registration
    assert "class AcmepayCredentials" in registration


@pytest.mark.parametrize("key", ["Acme", "acme-pay", "1acme", "acme__pay", "../acme", "a" * 31, "", "class"])
def test_what_cannot_be_a_name_is_refused(checkout: Path, key: str) -> None:
    before = files_in(checkout)

    assert "cannot" in refused(key, "--here")
    assert files_in(checkout) == before


@pytest.mark.parametrize("display_name", ["", 'Acme"', "Acme\\", "$key", "A" * 31, "Acme\n"])
def test_what_cannot_be_a_display_name_is_refused(tmp_path: Path, display_name: str) -> None:
    assert "display name" in refused("acmepay", "--package", str(tmp_path), "--display-name", display_name)
    assert files_in(tmp_path) == {}


def test_a_name_that_is_taken_is_refused(checkout: Path) -> None:
    assert refused("stripe", "--here") == "there is a gateway 'stripe' already"
    assert refused("stripe", "--package", str(checkout / "new")) == "there is a gateway 'stripe' already"
    assert "is a module of the framework" in refused("payloads", "--here")


def test_nothing_is_overwritten_and_nothing_else_is_written_then(checkout: Path) -> None:
    mine = checkout / "tests" / "gateways" / "acmepay.py"
    mine.write_text("mine", encoding="utf-8")
    before = files_in(checkout)

    assert refused("acmepay", "--here").endswith(f"there is already: {mine}")
    assert files_in(checkout) == before


def test_elsewhere_than_in_the_repository_nothing_is_put_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert "is no checkout of Paystream" in refused("acmepay", "--here")
    assert files_in(tmp_path) == {}


def test_where_it_goes_must_be_said_once(checkout: Path) -> None:
    assert "Say where it goes" in refused("acmepay")
    assert "Say where it goes" in refused("acmepay", "--here", "--package", str(checkout))


def test_every_template_is_packaged() -> None:
    folder = Path(str(files("cli.scaffold") / "templates"))

    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".template"}


def test_names_follow_from_the_key() -> None:
    names = Names.of("acme_pay")

    assert (names.display_name, names.class_name, names.constant) == ("Acme Pay", "AcmePay", "ACME_PAY")
    assert (names.dashed, names.package, names.distribution) == ("acme-pay", "paystream_acme_pay", "paystream-acme-pay")
    with pytest.raises(Refused):
        Names.of("stripe")
    with pytest.raises(InvalidInput):
        Names.of("import")


def test_imports_are_parted_sorted_and_merged() -> None:
    text = '"""Text."""\n\nfrom own.b import b, A\nimport os\nfrom own.b import C_D\nfrom httpx import get\n\nX = 1\n'

    arranged = arrange_imports(text, {"own"})

    assert arranged == ('"""Text."""\n\nimport os\n\nfrom httpx import get\n\nfrom own.b import C_D, A, b\n\nX = 1\n')
    assert arrange_imports("X = 1\n", {"own"}) == "X = 1\n"


def test_an_import_that_is_too_long_is_written_in_lines() -> None:
    members = [f"name_number_{number}" for number in range(9)]

    arranged = arrange_imports(f"from own import {', '.join(members)}\n", {"own"})

    assert arranged == "from own import (\n" + "".join(f"    {member},\n" for member in members) + ")\n"
