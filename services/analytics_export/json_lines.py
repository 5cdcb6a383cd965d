"""JSON lines: one record a line, with its position, its headers and its value as it is on the topic."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from domain.errors import MalformedPayload
from services.analytics_export.columns import TableShape
from services.audit.topic_reader import TopicRecord

SUFFIX = "jsonl"


class JsonLinesFile:
    """One file, written piece by piece."""

    def __init__(self, path: Path, shape: TableShape) -> None:
        self._shape = shape
        self._file = path.open("w", encoding="utf-8")

    def write(self, records: Sequence[TopicRecord]) -> None:
        """Append records. Raises MalformedPayload for a value that is not JSON."""
        for record in records:
            self._file.write(json.dumps(self._line(record), ensure_ascii=False, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Have everything on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _line(self, record: TopicRecord) -> dict[str, object]:
        try:
            value = None if record.value is None else json.loads(record.value)
        except ValueError as error:
            position = f"{self._shape.spec.name}, partition {record.partition}, offset {record.offset}"
            raise MalformedPayload(f"the record at {position} is not JSON") from error
        return {
            "topic": self._shape.spec.name,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.written_at.isoformat(),
            "key": (record.key or b"").decode(errors="replace"),
            "headers": {name: content.decode(errors="replace") for name, content in record.headers},
            "value": value,
        }
