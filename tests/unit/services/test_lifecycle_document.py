"""The document of the lifecycle is made from the code, complete, and the committed one is what the code says."""

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from cli.lifecycle import app, lifecycle_text
from connectors.base import Capability
from domain.errors import InvariantViolated
from domain.events import EVENT_TYPES
from domain.facts import FactKind
from domain.operations import OPERATIONS, Operation
from domain.payment import Status
from services import lifecycle_document, lifecycle_exploration
from services.commands.capabilities import CAPABILITIES, asks_gateway
from services.commands.handlers import HANDLERS
from services.lifecycle_document import ANOMALIES, render_lifecycle
from services.lifecycle_exploration import (
    FACTS,
    Explored,
    effect_of,
    explore,
    explored_states,
    state_of,
    transitions,
)

RUNNER = CliRunner()
TEXT = lifecycle_text()
COMMITTED = Path(__file__).parents[3] / "docs" / "lifecycle.md"
WITHOUT_CAPABILITY_CHECK = {"cancel_payment_link"}
"""A link is there only where links can be made."""


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows_of(title: str) -> list[str]:
    return [line for line in section(title).splitlines() if line.startswith("| `")]


def first_cells(title: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", section(title), flags=re.MULTILINE))


def test_the_committed_document_is_what_the_code_says() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == TEXT


def test_every_status_operation_command_event_and_anomaly_is_there() -> None:
    assert first_cells("States") == set(Status)
    assert first_cells("Operations") == set(Operation)
    assert first_cells("Commands") >= set(HANDLERS)
    assert set(re.findall(r"^\| \d+ \| `([^`]+)`", section("Domain events"), flags=re.MULTILINE)) == EVENT_TYPES
    assert first_cells("Anomalies") == ANOMALIES.keys()
    assert {name.split()[0] for name in first_cells("Facts and their effects")} == set(FactKind)


def test_the_operations_are_allowed_where_the_table_of_the_code_allows_them() -> None:
    titles = next(line for line in section("Operations").splitlines() if line.startswith("| Operation"))
    statuses = [Status(title) for title in re.findall(r"`(\w+)`", titles)]
    for line in rows_of("Operations"):
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        allowed = {status for status, cell in zip(statuses, cells, strict=True) if cell == "yes"}
        assert allowed == OPERATIONS[Operation(name.strip("`"))]
    assert len(rows_of("Operations")) == len(Operation)


def test_the_diagram_has_every_change_of_status_that_facts_can_make() -> None:
    drawn = set(re.findall(r"^ {4}(\w+) --> (\w+): ", TEXT, flags=re.MULTILINE))
    listed = {tuple(re.findall(r"`(\w+)`", line)[:2]) for line in rows_of("Transitions")}
    found = {(before.value, after.value) for before, after, *_ in transitions(explore())}
    assert found <= drawn | listed
    assert {("pending", "completed"), ("pending_approval", "failed"), ("completed", "refunded")} <= drawn
    assert ("failed", "completed") in listed - drawn


def test_larger_sets_of_facts_reach_no_other_transition() -> None:
    known = {(before, after, kind) for before, after, kind, _ in transitions(explore())}
    moving = [name for name, fact in FACTS.items() if fact.kind in {kind for *_, kind in known} and " in " not in name]
    further = []
    for names in explored_states():
        if len(names) == 3 and set(names) <= set(moving):
            for fourth in moving[moving.index(names[-1]) + 1 :]:
                given = (*names, fourth)
                state = state_of(given)
                further += [Explored(given, name, effect_of(state, name)) for name in moving if name not in given]
    assert len(further) > 1_000
    assert {(before, after, kind) for before, after, kind, _ in transitions(tuple(further))} <= known


def test_each_kind_of_command_has_the_capability_its_handler_checks() -> None:
    assert CAPABILITIES.keys() == HANDLERS.keys()
    for kind, handler in HANDLERS.items():
        checked = vars(handler).get("_capability")
        if checked is None:
            named = re.findall(r"Capability\.([A-Z_]+)", inspect.getsource(type(handler)))
            checked = Capability[named[0]] if named else None
        if kind not in WITHOUT_CAPABILITY_CHECK:
            assert CAPABILITIES[kind] == checked, kind


def test_commands_that_are_done_here_cannot_stay_unknown() -> None:
    local = {kind for kind in HANDLERS if not asks_gateway(kind)}
    assert local == {"submit_manual_payment", "approve", "reject", "register_invoice"}
    by_name = {line.split("`")[1]: line for line in rows_of("Commands")}
    assert all("unknown" not in by_name[kind] for kind in local)
    assert all("unknown" in by_name[kind] for kind in HANDLERS.keys() - local)


def test_a_rule_in_words_that_the_code_does_not_have_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_document, "RULES", lifecycle_document.RULES[1:])
    with pytest.raises(InvariantViolated, match="the code says refunded"):
        lifecycle_text()


def test_a_kind_of_command_without_needs_is_not_passed_over() -> None:
    with pytest.raises(InvariantViolated, match="create_payment"):
        render_lifecycle({})


@pytest.mark.parametrize("module", [lifecycle_document, lifecycle_exploration])
def test_the_generator_imports_only_domain_and_topics(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if (Path(__file__).parents[3] / name.partition(".")[0]).is_dir()}
    assert {name.partition(".")[0] for name in ours - {"services.lifecycle_exploration"}} <= {"domain", "topics"}
    assert ours


def test_the_check_passes_on_what_was_printed_and_else_says_what_to_run(tmp_path: Path) -> None:
    committed = tmp_path / "lifecycle.md"
    printed = RUNNER.invoke(app, ["lifecycle"])
    assert printed.stdout == TEXT
    committed.write_text(printed.stdout, encoding="utf-8")
    assert RUNNER.invoke(app, ["lifecycle", "--check", str(committed)]).exit_code == 0
    committed.write_text(printed.stdout.replace("`refunded`", "`returned`"), encoding="utf-8")
    different = RUNNER.invoke(app, ["lifecycle", "--check", str(committed)])
    assert different.exit_code == 1
    assert f"paystream docs lifecycle > {committed}" in different.stderr
    assert RUNNER.invoke(app, ["lifecycle", "--check", str(tmp_path / "absent.md")]).exit_code == 1
