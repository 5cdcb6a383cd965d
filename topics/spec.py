"""What a topic is: declared once, created explicitly, never by accident."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

DEFAULT_PARTITIONS = 8
DAY_MILLISECONDS = 86_400_000


class Cleanup(StrEnum):
    """How Kafka forgets: by age, or by keeping the newest record of each key."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic. `model` is None where the value is not JSON of ours (the raw bytes of a callback)."""

    name: str
    description: str
    key: str
    model: type[BaseModel] | None
    written_by: str
    partitions: int = DEFAULT_PARTITIONS
    retention_days: int = 30
    cleanup: Cleanup = Cleanup.DELETE
    internal: bool = False

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings of the topic."""
        if self.cleanup is Cleanup.COMPACT:
            return {"cleanup.policy": "compact"}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_days * DAY_MILLISECONDS)}
