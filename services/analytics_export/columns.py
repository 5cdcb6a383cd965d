"""A topic's records as rows of a table: where the record lies, its headers, and one column per field of its model."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ValidationError

from domain.errors import InvalidInput, MalformedPayload
from services.audit.topic_reader import TopicRecord
from topics.message import SEQUENCE_HEADER, header
from topics.spec import TopicSpec


class ColumnKind(StrEnum):
    """What a column holds."""

    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    TEXTS = "texts"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column, and how its value is read from a parsed message."""

    name: str
    kind: ColumnKind
    read: Callable[[Any], Any]


RECORD_COLUMNS: tuple[tuple[str, ColumnKind], ...] = (
    ("kafka_partition", ColumnKind.INTEGER),
    ("kafka_offset", ColumnKind.INTEGER),
    ("kafka_timestamp", ColumnKind.MOMENT),
    ("kafka_key", ColumnKind.TEXT),
    ("kafka_deleted", ColumnKind.BOOLEAN),
    ("ce_id", ColumnKind.TEXT),
    ("ce_type", ColumnKind.TEXT),
    ("ce_time", ColumnKind.MOMENT),
    ("ce_sequence", ColumnKind.INTEGER),
)
"""What every table has. A deleted record of a compacted topic has a key and no fields."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """The table of a topic."""

    name: str
    spec: TopicSpec
    model: type[BaseModel]
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """All columns' names, in order."""
        return [name for name, _ in self.kinds]

    @property
    def kinds(self) -> list[tuple[str, ColumnKind]]:
        """All columns' names and kinds, in order."""
        return [*RECORD_COLUMNS, *((column.name, column.kind) for column in self.columns)]

    def row(self, record: TopicRecord) -> list[Any]:
        """Return a record's values, in the order of the columns. Raises MalformedPayload, naming its position."""
        about = [
            record.partition,
            record.offset,
            record.written_at,
            (record.key or b"").decode(errors="replace"),
            record.value is None,
            header(record.headers, "ce_id"),
            header(record.headers, "ce_type"),
            _moment(header(record.headers, "ce_time")),
            _integer(header(record.headers, SEQUENCE_HEADER)),
        ]
        if record.value is None:
            return [*about, *(None for _ in self.columns)]
        try:
            message = self.model.model_validate_json(record.value)
        except ValidationError as error:
            position = f"{self.spec.name}, partition {record.partition}, offset {record.offset}"
            raise MalformedPayload(f"the record at {position} is not a {self.model.__name__}") from error
        return [*about, *(column.read(getattr(message, column.name)) for column in self.columns)]


def shape_of(spec: TopicSpec) -> TableShape:
    """The table of a topic. Raises InvalidInput for a topic whose values are not JSON of ours."""
    if spec.model is None:
        raise InvalidInput(f"the values of {spec.name} are not JSON of ours: it cannot be exported", field="topic")
    columns = tuple(_column(name, field.annotation) for name, field in spec.model.model_fields.items())
    return TableShape(table_name(spec), spec, spec.model, columns)


def table_name(spec: TopicSpec) -> str:
    """The name of a topic's table: `settlement.payout-batches.v1` is `settlement_payout_batches`."""
    return spec.name.rpartition(".v")[0].replace(".", "_").replace("-", "_")


def _column(name: str, annotation: Any) -> Column:  # noqa: ANN401 - a type as it was written, of any form
    inner = _without_none(annotation)
    plain = _PLAIN.get(inner, ColumnKind.TEXT if get_origin(inner) is Literal else None)
    if plain is not None:
        return Column(name, plain, _same)
    if isinstance(inner, type) and issubclass(inner, Enum):
        return Column(name, ColumnKind.TEXT, _enum)
    is_list = get_origin(inner) is tuple and get_args(inner)[1:] == (Ellipsis,)
    return Column(name, ColumnKind.TEXTS, _list) if is_list else Column(name, ColumnKind.JSON, _json)


_PLAIN: dict[Any, ColumnKind] = {
    bool: ColumnKind.BOOLEAN,
    int: ColumnKind.INTEGER,
    datetime: ColumnKind.MOMENT,
    AwareDatetime: ColumnKind.MOMENT,
    str: ColumnKind.TEXT,
}


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - as above
    if get_origin(annotation) in {Union, UnionType}:
        parts = [part for part in get_args(annotation) if part is not NoneType]
        annotation = parts[0] if len(parts) == 1 else annotation
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _same(value: Any) -> Any:  # noqa: ANN401 - a field's value
    return value


def _enum(value: Enum | None) -> str | None:
    return None if value is None else str(value.value)


def _list(value: tuple[str, ...] | None) -> list[str] | None:
    return None if value is None else list(value)


def _json(value: Any) -> str | None:  # noqa: ANN401 - a field's value
    return None if value is None else json.dumps(value, default=str, ensure_ascii=False)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
