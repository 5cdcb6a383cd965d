"""What a migration may do, so that the versions before and after it run side by side while they are being replaced.

A migration **expands** unless it says otherwise: it adds, and whatever older code reads or writes goes on working. What
it must not do stands in the rules below. A migration that **contracts** takes away what nothing needs any more, and
says so with two names beside its `revision`:

- `contracts`: the revision that brought the replacement. Two releases must have had that one.
- `oldest_code`: the newest revision that the oldest code knows which still works afterwards; one of a release.

`releases.json` holds the newest revision of every release. What was there before the first release is nobody's upgrade.
"""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.schema_version import VERSIONS

RELEASES = VERSIONS.parent / "releases.json"
RELEASES_BEFORE_CONTRACTION = 2

_NEW_TABLE = re.compile(r"\bcreate table (?:if not exists )?([a-z_]+)")
_ALTERED = re.compile(r"\balter table (?:if exists )?(?:only )?([a-z_]+)")
_INDEXED = re.compile(r"\bcreate unique index (?:concurrently )?(?:if not exists )?[a-z_]+ on ([a-z_]+)")

_ALWAYS = {
    "drops what older code may use": r"\bdrop (table|view|materialized|column|type|domain|function|schema|sequence)\b",
    "renames what older code calls by its name": r"\brename\b",
    "empties a table": r"\btruncate\b",
}
_OF_TABLES_THAT_WERE_THERE = {
    "changes a column's type": r"\balter (column )?[a-z_]+ (set data )?type\b",
    "forbids nulls that older code may write": r"\bset not null\b",
    "drops a default that older code counts on": r"\bdrop default\b",
    "adds a column that older code leaves empty": r"^(?!.*\bdefault\b)(?!.*\badd constraint\b).*\badd .*\bnot null\b",
    "adds a constraint that older code may break": r"\badd (constraint|check|unique|primary key|foreign key)\b",
}
_UNIQUE = "makes values unique that older code may repeat"
_NEXT_ACTION = re.compile(r",\s*(?=(?:add|alter|drop)\b)")
_OPERATIONS = {
    "drop_table",
    "drop_column",
    "rename_table",
    "alter_column",
    "drop_constraint",
    "create_unique_constraint",
}


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration as it is written. `statements` are those of its upgrade, in small letters and without comments."""

    revision: str
    contracts: str | None
    oldest_code: str | None
    statements: tuple[str, ...]
    operations: frozenset[str]

    @classmethod
    def read(cls, source: str) -> "Migration":
        """Read a migration's module without running it."""
        module = ast.parse(source)
        named = {
            target.id: node.value.value
            for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        upgrading = [node for node in module.body if getattr(node, "name", "") != "downgrade"]
        docstrings = {
            ast.get_docstring(node, clean=False) for node in ast.walk(module) if isinstance(node, _DOCUMENTED)
        }
        texts = [text for node in upgrading for text in _texts(node) if text not in docstrings]
        calls = [node for part in upgrading for node in ast.walk(part) if isinstance(node, ast.Attribute)]
        return cls(
            revision=str(named["revision"]),
            contracts=_optional(named.get("contracts")),
            oldest_code=_optional(named.get("oldest_code")),
            statements=tuple(statement for text in texts for statement in _statements(text)),
            operations=frozenset(call.attr for call in calls if call.attr in _OPERATIONS),
        )


def problems(migration: Migration, releases: Mapping[str, str]) -> list[str]:
    """Say why a migration cannot be rolled out beside older code; nothing where it can."""
    heads = sorted(releases.values())
    if not heads or migration.revision <= heads[0]:
        return []
    if migration.contracts is not None:
        return _problems_of_contraction(migration, heads)
    new = {name for statement in migration.statements for name in _NEW_TABLE.findall(statement)}
    found = [f"calls op.{name}, which older code may not survive" for name in sorted(migration.operations)]
    for statement in migration.statements:
        found += [f"{rule}: {statement[:80]}" for rule, pattern in _ALWAYS.items() if re.search(pattern, statement)]
        altered = _ALTERED.search(statement)
        if altered is not None and altered.group(1) not in new:
            for action in _NEXT_ACTION.split(statement):
                checks = _OF_TABLES_THAT_WERE_THERE.items()
                found += [f"{rule}: {action[:80]}" for rule, pattern in checks if re.search(pattern, action)]
        indexed = _INDEXED.search(statement)
        if indexed is not None and indexed.group(1) not in new:
            found.append(f"{_UNIQUE}: {statement[:80]}")
    return found


def released() -> dict[str, str]:
    """The newest revision of every release, by its version."""
    return dict(json.loads(RELEASES.read_text(encoding="utf-8")))


def migration_files() -> list[Path]:
    """Every migration, in order."""
    return sorted(VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def _problems_of_contraction(migration: Migration, heads: list[str]) -> list[str]:
    found = []
    since = sum(head >= str(migration.contracts) for head in heads)
    if since < RELEASES_BEFORE_CONTRACTION:
        found.append(
            f"contracts {migration.contracts}, which {since} of the {RELEASES_BEFORE_CONTRACTION} releases that it"
            " takes have had"
        )
    if migration.oldest_code not in heads or str(migration.oldest_code) < str(migration.contracts):
        found.append("names no `oldest_code`: the newest revision of a release that no longer uses what goes")
    return found


_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.ClassDef)


def _texts(node: ast.AST) -> list[str]:
    """Every text in a piece of code; of a formatted one, what is formatted in stands as a name."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)]
    return [text for child in ast.iter_child_nodes(node) for text in _texts(child)]


def _statements(script: str) -> list[str]:
    without_comments = re.sub(r"--[^\n]*", " ", script)
    parts = (" ".join(part.lower().split()) for part in without_comments.split(";"))
    return [part for part in parts if part]


def _optional(value: object) -> str | None:
    return None if value is None else str(value)
