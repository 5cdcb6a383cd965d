"""The records that the modes read, and where they write."""

from pydantic import BaseModel

from topics.spec import TopicSpec

RECORDS = 40_000
PARTITIONS = 4


class Measured(BaseModel):
    """A record of about 244 bytes of JSON."""

    number: int
    payment_id: str
    gateway: str
    amount_minor: int
    currency: str
    note: str


def _topic(name: str) -> TopicSpec:
    return TopicSpec(
        name=name,
        description="For a benchmark.",
        key="number",
        model=Measured,
        written_by="bench",
        partitions=PARTITIONS,
    )


SOURCE = _topic("faust-source")
SINK = _topic("faust-sink")


def record(number: int) -> bytes:
    """One record's value."""
    return (
        Measured(
            number=number,
            payment_id=f"payment-{number:09d}",
            gateway="stripe",
            amount_minor=1_000 + number,
            currency="USD",
            note="n" * 130,
        )
        .model_dump_json()
        .encode()
    )
