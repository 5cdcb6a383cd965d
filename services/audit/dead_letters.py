"""Which records of a topic went to its dead letters."""

from services.audit.topic_reader import Position, Topics, position_in
from topics.catalog import dead_letter
from topics.spec import TopicSpec


async def dead_letter_positions(topics: Topics, source: TopicSpec) -> set[Position]:
    """The positions, in the source topic, of the records its reader gave up on."""
    chunks = topics.chunks(dead_letter(source))
    positions = {position_in(record.headers, "ps_dlq") async for chunk in chunks for record in chunk}
    return {position for position in positions if position is not None}
