"""Base of every message and the CloudEvents headers that go with it.

Records are CloudEvents 1.0 in Kafka's binary mode: the attributes are headers named `ce_…`, the value is the data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.money import EXPONENTS, MAX_AMOUNT_MINOR

RecordHeaders = list[tuple[str, bytes]]

AmountMinor = Annotated[int, Field(strict=True, ge=-MAX_AMOUNT_MINOR, le=MAX_AMOUNT_MINOR)]
PositiveMinor = Annotated[int, Field(strict=True, gt=0, le=MAX_AMOUNT_MINOR)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", json_schema_extra={"enum": sorted(EXPONENTS)})]
Identifier = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
"""Free text. PostgreSQL cannot store the NUL character, so nobody may send it."""
Timestamp = AwareDatetime

SEQUENCE_HEADER = "ce_sequence"
"""Header of relayed records: grows by one per partition and topic writer, so that repeats can be dropped."""


class Message(BaseModel):
    """A value on a topic. Fields that this version does not know are passed over, so that versions can run together."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """The attributes of a record. `data_schema` names the model of the data and its version, as a URI."""

    id: str
    type: str
    source: str
    time: datetime
    subject: str | None = None
    data_schema: str | None = None
    content_type: str = "application/json"

    def attributes(self) -> list[tuple[str, str]]:
        """The attributes as header names and texts."""
        attributes = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_type", self.type),
            ("ce_source", self.source),
            ("ce_time", self.time.isoformat()),
            ("content-type", self.content_type),
        ]
        if self.subject is not None:
            attributes.append(("ce_subject", self.subject))
        if self.data_schema is not None:
            attributes.append(("ce_dataschema", self.data_schema))
        return attributes

    def headers(self, extra: Iterable[tuple[str, str]] = ()) -> RecordHeaders:
        """Write the attributes, and what else is given, as Kafka headers."""
        return [(name, value.encode()) for name, value in (*self.attributes(), *extra)]


def header(headers: Iterable[tuple[str, bytes]] | None, name: str) -> str | None:
    """Read one record header as text; None when it is absent."""
    for key, value in headers or ():
        if key == name and value is not None:
            return value.decode()
    return None
