"""How tables are described to SQLAlchemy Core, for queries. The migrations make the schema; a test compares the two."""

from typing import Any

from sqlalchemy import Column, DateTime, MetaData, Table
from sqlalchemy.types import UserDefinedType

METADATA = MetaData()
MOMENT = DateTime(timezone=True)


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's xid8: the number of a transaction, 64 bits, never reused."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


def describe(name: str, primary_key: str, columns: dict[str, Any], optional: dict[str, Any] | None = None) -> Table:
    """Describe a table: the names of its key's columns, the columns that are never null, and those that may be."""
    keys = primary_key.split()
    required = [Column(key, kind, primary_key=key in keys, nullable=False) for key, kind in columns.items()]
    return Table(
        name, METADATA, *required, *(Column(key, kind, nullable=True) for key, kind in (optional or {}).items())
    )
