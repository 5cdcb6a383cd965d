"""How far an export has come: the next offset of every partition, in one small file that is replaced as a whole."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import InvalidInput

OFFSETS_FILE = "_offsets.json"
LOCK_FILE = ".lock"

Offsets = dict[str, dict[int, int]]
"""Topic, partition, and the offset that the next export begins with."""


@dataclass(slots=True)
class ExportState:
    """What is known of a directory. `topic_prefix` and `format` never change: other ones are another export."""

    format: str
    topic_prefix: str
    offsets: Offsets = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path, export_format: str, topic_prefix: str) -> "ExportState":
        """Read a directory's state, or begin one. Raises InvalidInput for a directory of another export."""
        path = directory / OFFSETS_FILE
        if not path.is_file():
            return cls(export_format, topic_prefix)
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            offsets = {
                topic: {int(partition): int(offset) for partition, offset in partitions.items()}
                for topic, partitions in said["offsets"].items()
            }
            kept = (said["format"], said["topic_prefix"])
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InvalidInput(f"{path} cannot be read; export into an empty directory", field="directory") from error
        if kept != (export_format, topic_prefix):
            raise InvalidInput(f"{directory} holds another export, of format {kept[0]}", field="directory")
        return cls(export_format, topic_prefix, offsets)

    def save(self, directory: Path) -> None:
        """Write the state so that a crash leaves the old one or the new one."""
        text = json.dumps(
            {"format": self.format, "topic_prefix": self.topic_prefix, "offsets": self.offsets},
            indent=2,
            sort_keys=True,
        )
        path, unfinished = directory / OFFSETS_FILE, directory / f".{OFFSETS_FILE}"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Hold a directory. Raises InvalidInput while another export writes into it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InvalidInput(f"another export is writing into {directory}", field="directory") from error
        yield
