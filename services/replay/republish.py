"""Live replay: put raw callbacks back onto the live topic, byte for byte, so that whatever is missing is applied.

It is safe to do at any time and any number of times: a callback says when it was received and is judged at that time,
and a fact that is known has no second effect. What was rejected is rejected again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput
from services.audit.topic_reader import TopicRecord, open_topics
from services.broker import Broker
from services.replay.run import Report
from services.replay.scope import ReplayRequest, coverage_of
from topics.catalog import RAW_WEBHOOKS
from topics.message import RecordHeaders, header

MARK = "ps_replay_of"
"""Header of a callback that was put back: where the original lies."""

_AT_ONCE = 200


@dataclass(slots=True)
class RepublishReport:
    """What came of a live replay, in callbacks. `copies` were themselves put there by a replay and are left out."""

    published: int = 0
    copies: int = 0
    other_accounts: int = 0


async def republish(
    bootstrap_servers: str,
    topic_prefix: str,
    broker: Broker,
    request: ReplayRequest,
    *,
    actor: str,
    report: Report = lambda *_: None,
) -> RepublishReport:
    """Put the callbacks of a range back, in their partitions and order; nothing that comes after the start.

    The request may name an account and no payment: whose a callback is, is known only once it is verified. Raises
    InvalidInput, NotFound for a missing topic, Unavailable and KafkaError when the broker does not answer.
    """
    request.check()
    if request.payment_id is not None:
        raise InvalidInput("callbacks are put back by time and account, not by payment", field="payment")
    done = RepublishReport()
    async with open_topics(bootstrap_servers, topic_prefix, [RAW_WEBHOOKS]) as topics:
        coverage = await coverage_of(topics, request)
        read = 0
        async for chunk in topics.chunks(RAW_WEBHOOKS, coverage.ranges):
            wanted = [record for record in chunk if _is_wanted(record, request, done)]
            for start in range(0, len(wanted), _AT_ONCE):
                await _publish(broker, wanted[start : start + _AT_ONCE], actor)
            done.published += len(wanted)
            read += len(chunk)
            report("callbacks put back", read, coverage.records)
    return done


def _is_wanted(record: TopicRecord, request: ReplayRequest, done: RepublishReport) -> bool:
    if header(record.headers, MARK) is not None:
        done.copies += 1
        return False
    if request.account is not None and header(record.headers, "ps_account") != request.account:
        done.other_accounts += 1
        return False
    return True


async def _publish(broker: Broker, records: Sequence[TopicRecord], actor: str) -> None:
    # Within a partition a producer keeps the order in which it was given records.
    await asyncio.gather(
        *(
            broker.send_and_wait(
                RAW_WEBHOOKS,
                partition=record.partition,
                key=record.key,
                value=record.value,
                headers=[*record.headers, *_marks(record, actor)],
            )
            for record in records
        )
    )


def _marks(record: TopicRecord, actor: str) -> RecordHeaders:
    place = f"{RAW_WEBHOOKS.name}/{record.partition}/{record.offset}"
    return [(MARK, place.encode()), ("ps_replay_by", actor.encode())]
