"""The pages about gateways and connectors say what the code says."""

import dataclasses
import enum
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.gateways_document import gateways_text, of_the_house, summary_table
from cli.lifecycle import app
from cli.main import app as whole
from cli.scaffold.generate import add_here
from cli.scaffold.names import Names
from connectors.base import PROTOCOLS, Registration
from connectors.registry import registrations
from domain.facts import NEEDS_AMOUNT, NEEDS_MOVEMENT, FactKind

RUNNER = CliRunner()
ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "adding-a-connector.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

MODULES = (
    "connectors.amounts",
    "connectors.base",
    "connectors.callback_proofs",
    "connectors.entry_points",
    "connectors.http_client",
    "connectors.outcomes",
    "connectors.payloads",
    "connectors.registry",
    "connectors.requests",
    "connectors.square.registration",
    "connectors.square.status",
    "connectors.stripe.registration",
    "domain.errors",
    "domain.facts",
    "domain.money",
    "tests.connectors.case",
    "tests.gateways.local_gateway",
    "tests.integration.gateways.journey",
)
"""Where the words in code on the page come from. Square and Stripe stand for every gateway's files."""

OTHER_WORDS = {
    "pytest",
    "repr",
    "hmac.compare_digest",
    "redirect_url",
    "client_secret",
    "form_action",
    "form_fields",
    "failed",
}
"""Words in code that are no names of ours: Python's, a payer's browser's, a gateway's."""


def test_the_committed_page_is_what_the_registrations_say() -> None:
    assert (ROOT / "docs" / "gateways.md").read_text(encoding="utf-8") == gateways_text()


def test_the_readme_has_the_table_of_the_registrations() -> None:
    section = README.partition("\n## Gateways\n")[2].partition("\n## ")[0]

    assert f"\n\n{summary_table()}\n" in section


@pytest.mark.parametrize("registration", registrations(), ids=lambda registration: registration.key)
def test_every_gateway_has_its_section(registration: Registration) -> None:
    heading = f"\n## {registration.display_name} (`{registration.key}`)\n"
    section = gateways_text().partition(heading)[2].partition("\n## ")[0]

    assert registration.description in section
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(registration.credentials.model_fields)
    assert all(f"`{header}`" in section for header in registration.required_headers)


def test_gateways_of_other_packages_are_not_on_the_page() -> None:
    assert {registration.credentials.__module__.partition(".")[0] for registration in of_the_house()} == {"connectors"}


def test_the_check_passes_on_what_was_printed_and_else_says_what_to_run(tmp_path: Path) -> None:
    committed = tmp_path / "gateways.md"
    printed = RUNNER.invoke(app, ["gateways"])
    assert printed.stdout == gateways_text()
    committed.write_text(printed.stdout, encoding="utf-8")
    assert RUNNER.invoke(app, ["gateways", "--check", str(committed)]).exit_code == 0
    committed.write_text(printed.stdout.replace("`stripe`", "`strip`"), encoding="utf-8")
    different = RUNNER.invoke(app, ["gateways", "--check", str(committed)])
    assert different.exit_code == 1
    assert f"paystream docs gateways > {committed}" in different.stderr
    assert RUNNER.invoke(app, ["gateways", "--check", str(tmp_path / "absent.md")]).exit_code == 1


def test_the_table_alone_is_printed_for_the_readme() -> None:
    assert RUNNER.invoke(app, ["gateways", "--table"]).stdout == summary_table()


def words() -> set[str]:
    """What stands in code within lines of the guide."""
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL)))


def test_every_file_that_the_guide_names_is_there(tmp_path: Path) -> None:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "registry.py").touch()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "paystream"\n', encoding="utf-8")
    add_here(Names.of("acmepay"), tmp_path)
    named = {word for word in words() if re.fullmatch(r"[\w./]+/[\w./]*", word)}
    missing = {
        word
        for word in named
        if not (tmp_path / word.replace("NAME", "acmepay") if "NAME" in word else ROOT / word).exists()
    }

    assert len(named) > 15
    assert missing == set()


def test_every_link_of_the_guide_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", GUIDE)

    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_file_of_a_new_connector_is_in_the_guide(tmp_path: Path) -> None:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "registry.py").touch()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "paystream"\n', encoding="utf-8")
    written = {str(path.relative_to(tmp_path)) for path in add_here(Names.of("acmepay"), tmp_path)}
    expected = {word.replace("NAME", "acmepay") for word in words() if "NAME" in word and "/" in word}

    assert {path for path in written if path not in expected and f"{Path(path).parent}/" not in expected} == set()


def names() -> Iterator[str]:
    for module in map(import_module, MODULES):
        for name, value in vars(module).items():
            yield name
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield from vars(value)
                if dataclasses.is_dataclass(value):
                    yield from (field.name for field in dataclasses.fields(value))
                yield from getattr(value, "model_fields", ())
                yield from (f"{name}.{member.name}" for member in value) if issubclass(value, enum.Enum) else ()


def test_every_name_in_the_guide_is_the_codes_own() -> None:
    identifiers = {word for word in words() if re.fullmatch(r"[A-Za-z_][\w.]*", word)}
    files = {f"{path.stem}.py" for path in (ROOT / "connectors").glob("*/*.py")}

    unknown = identifiers - set(names()) - files - OTHER_WORDS

    assert len(identifiers) > 50
    assert unknown == set()


def test_every_command_in_the_guide_is_there() -> None:
    commands = re.findall(r"paystream ((?:[a-z]+ )+)?([a-z]+)", " ".join(re.findall(r"`(paystream [^`\n]+)`", GUIDE)))

    assert commands
    for groups, name in commands:
        assert RUNNER.invoke(whole, [*groups.split(), name, "--help"]).exit_code == 0


def test_the_contract_in_the_guide_is_the_codes() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \| (.+) \|$", GUIDE, flags=re.MULTILINE)
    told = {name: (protocol, set(re.findall(r"`(\w+)`", methods))) for name, protocol, methods in rows}

    assert told == {
        capability.name: (protocol.__name__, {name for name in vars(protocol) if not name.startswith("_")})
        for capability, protocol in PROTOCOLS.items()
    }


def test_what_each_kind_of_fact_needs_is_told_as_it_is() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (yes|) ?\| ?(.*?) ?\|$", GUIDE, flags=re.MULTILINE)
    told = {name: (amount == "yes", movement == "yes") for name, amount, movement in rows}

    assert told == {kind.name: (kind in NEEDS_AMOUNT, kind in NEEDS_MOVEMENT) for kind in FactKind}
