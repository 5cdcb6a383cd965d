"""What an agent works on: one Kafka record, free of Faust's types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from topics.message import SEQUENCE_HEADER, header
from topics.webhooks import RawPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as it lies in its topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, event: Any) -> "Record":
        """Take a record out of a Faust event."""
        message = event.message
        return cls(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            key=message.key,
            value=message.value or b"",
            headers=tuple(message.headers or ()),
        )

    @property
    def sequence(self) -> int:
        """The relay's sequence number; 0 on records that were not relayed."""
        return int(header(self.headers, SEQUENCE_HEADER) or 0)

    @property
    def raw_position(self) -> RawPosition | None:
        """Where the raw callback lies that this record came of."""
        return RawPosition.from_headers(self.headers)


def records_of(events: Sequence[Any]) -> list[Record]:
    """Take a batch out of Faust's events."""
    return [Record.of(event) for event in events]
