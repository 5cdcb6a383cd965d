"""Migrations leave the code of the release before them working."""

from pathlib import Path

import pytest

from tests.upgrade.migration_rules import Migration, migration_files, problems, released

RELEASES = {"1.0": "0010", "1.1": "0012", "1.2": "0013"}


def migration(*statements: str, revision: str = "0014", contracts: str = "", oldest_code: str = "") -> Migration:
    lines = ['"""Drop table in a docstring is no statement."""', f'revision = "{revision}"']
    lines += [f'contracts = "{contracts}"'] if contracts else []
    lines += [f'oldest_code = "{oldest_code}"'] if oldest_code else []
    lines += [f"A{number} = '''{statement}'''" for number, statement in enumerate(statements)]
    lines += ["def downgrade() -> None:", "    run('drop table anything')"]
    return Migration.read("\n".join(lines))


@pytest.mark.parametrize("path", migration_files(), ids=lambda path: path.stem)
def test_every_migration_can_be_rolled_out_beside_older_code(path: Path) -> None:
    read = Migration.read(path.read_text(encoding="utf-8"))
    assert path.name.startswith(f"{read.revision}_")
    assert problems(read, released()) == []


def test_releases_name_revisions_that_exist() -> None:
    assert set(released().values()) <= {path.name[:4] for path in migration_files()}


@pytest.mark.parametrize(
    "statement",
    [
        "create table things (id text not null primary key, amount bigint not null check (amount > 0))",
        (
            "create table things (id text); alter table things add constraint a check (id > 0); "
            "alter table things alter column id set not null; create unique index things_id on things (id)"
        ),
        "alter table payments add column note text",
        "alter table payments add column note text not null default 0",
        "alter table payments add column count integer default 0 not null",
        "create index payments_note on payments (note)",
        "drop index payments_note",
        "alter table payments drop constraint payments_check",
        "alter table payments enable row level security",
        "-- drop table payments\ncreate index a on payments (b)",
        "create or replace function f() returns trigger language plpgsql as $$begin return null end$$",
        "update payments set note = 0 where note is null",
    ],
)
def test_what_only_adds_may_be_rolled_out(statement: str) -> None:
    assert problems(migration(statement), RELEASES) == []


@pytest.mark.parametrize(
    "statement",
    [
        "drop table payments",
        "alter table payments drop column note",
        "DROP VIEW seen",
        "drop function f()",
        "alter table payments rename column note to text",
        "alter table payments rename to movements",
        "alter table payments alter column amount type numeric",
        "alter table payments alter amount set data type numeric",
        "alter table payments alter column note set not null",
        "alter table payments alter column note drop default",
        "alter table payments add column note text not null",
        "alter table payments add column a text not null, add column b text default 0",
        "alter table payments add constraint a check (amount > 0)",
        "alter table payments add unique (note)",
        "create unique index a on payments (note)",
        "truncate payments",
    ],
)
def test_what_older_code_may_not_survive_is_refused(statement: str) -> None:
    assert len(problems(migration(statement), RELEASES)) >= 1
    assert problems(migration(statement, revision="0010"), RELEASES) == []
    assert problems(migration(statement), {}) == []


def test_alembics_own_operations_are_looked_at_too() -> None:
    source = 'revision = "0014"\n\ndef upgrade() -> None:\n    op.drop_column("payments", "note")\n'
    assert problems(Migration.read(source), RELEASES) == ["calls op.drop_column, which older code may not survive"]


def test_what_is_formatted_is_looked_at_too() -> None:
    source = 'revision = "0014"\n\ndef upgrade() -> None:\n    for t in T:\n        run(f"drop table {t};")\n'
    assert len(problems(Migration.read(source), RELEASES)) == 1


def test_a_contraction_takes_away_what_two_releases_have_replaced() -> None:
    drop = "alter table payments drop column note"
    assert problems(migration(drop, contracts="0011", oldest_code="0013"), RELEASES) == []
    too_early = problems(migration(drop, contracts="0013", oldest_code="0013"), RELEASES)
    assert len(too_early) == 1
    assert "1 of the 2 releases" in too_early[0]
    for oldest_code in ("", "0010", "0099"):
        assert len(problems(migration(drop, contracts="0011", oldest_code=oldest_code), RELEASES)) == 1
