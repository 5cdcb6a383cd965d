"""Which schema a database has, and whether this version of the code works with it.

Versions run side by side while they are being replaced. A migration that only adds lets older code go on, so code runs
on a schema that is newer than itself until a migration takes something away that it needs: that one names the oldest
code that still works, and the database keeps it as the comment of its version table.
"""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import text

from domain.errors import Unavailable
from storage.unit_of_work import Database

VERSIONS = Path(__file__).with_name("migrations") / "versions"
VERSION_TABLE = "alembic_version"

_REVISION_FILE = re.compile(r"([0-9]{4})_.*\.py")
_OLDEST_CODE = re.compile(r"oldest code: ([0-9]{4})")

_FOUND = text("select to_regclass('alembic_version') is not null")
_VERSION = text("select version_num, obj_description('alembic_version'::regclass, 'pg_class') from alembic_version")


@cache
def newest_revision() -> str:
    """The newest schema that this version of the code knows."""
    matches = (_REVISION_FILE.fullmatch(path.name) for path in VERSIONS.iterdir())
    return max(match.group(1) for match in matches if match is not None)


def oldest_code_comment(revision: str) -> str:
    """The comment by which a database says that code which does not know this revision no longer works with it."""
    return f"oldest code: {revision}"


async def require_schema(database: Database) -> None:
    """Return when this version of the code works with the database's schema.

    Raises Unavailable, with the code `schema_too_old` or `schema_too_new` and what to do. An older schema never does; a
    newer one does unless it says otherwise.
    """
    async with database.engine.connect() as connection:
        exists = (await connection.execute(_FOUND)).scalar_one()
        row = (await connection.execute(_VERSION)).one_or_none() if exists else None
    check_revision(newest_revision(), *(row or (None, None)))


def check_revision(known: str, present: str | None, comment: str | None) -> None:
    """Compare the newest revision that the code knows with the database's. Raises as `require_schema` does."""
    if present is None or present < known:
        has = "no schema of Paystream's" if present is None else f"the schema {present}"
        raise Unavailable(
            f"the database has {has}, and this version needs {known}: run `paystream migrate` with this version first",
            code="schema_too_old",
        )
    oldest = _OLDEST_CODE.search(comment or "")
    if oldest is not None and known < oldest.group(1):
        raise Unavailable(
            f"the database has the schema {present}, which takes a version that knows {oldest.group(1)}; this one knows"
            f" {known}: deploy a newer version",
            code="schema_too_new",
        )
