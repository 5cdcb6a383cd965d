"""What a topic is: declared once, created explicitly, never by accident."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

DEFAULT_PARTITIONS = 8
DAY_MILLISECONDS = 86_400_000
CALLBACK_RECORD_BYTES = 2_097_152
"""A body of 1 MiB with its headers is more than Kafka takes by default."""


class Cleanup(StrEnum):
    """How Kafka forgets: by age, or by keeping the newest record of each key."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic. `model` is None where the value is not JSON of ours (the raw bytes of a callback).

    `carries_callbacks` marks topics whose records may be as large as the largest callback with its headers.
    """

    name: str
    description: str
    key: str
    model: type[BaseModel] | None
    written_by: str
    partitions: int = DEFAULT_PARTITIONS
    retention_days: int = 30
    cleanup: Cleanup = Cleanup.DELETE
    internal: bool = False
    carries_callbacks: bool = False

    @property
    def data_schema(self) -> str | None:
        """The URI of what the values are: it names the topic, with its version, and the model."""
        return None if self.model is None else f"urn:paystream:{self.name}:{self.model.__name__}"

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings of the topic."""
        config = {"cleanup.policy": self.cleanup.value}
        if self.cleanup is Cleanup.DELETE:
            config["retention.ms"] = str(self.retention_days * DAY_MILLISECONDS)
        if self.carries_callbacks:
            config["max.message.bytes"] = str(CALLBACK_RECORD_BYTES)
        return config
