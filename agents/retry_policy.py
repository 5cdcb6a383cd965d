"""The one place that says which errors pass by themselves, and how long to wait for that."""

from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownError,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import RETRYABLE

FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 10.0

_PASSING_STATES = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "53300",  # too many connections
    "55P03",  # lock not available
    "57P01",  # the server is shutting down
    "57P02",  # the server crashed
    "57P03",  # the server is starting up
    "25006",  # read-only, as after a failover
}


_BROKEN_PRODUCER = (OutOfOrderSequenceNumber, InvalidProducerEpoch, ProducerFenced, UnknownError)


def is_fatal(error: BaseException) -> bool:
    """Say whether this process cannot go on, whatever the record: its producer is broken for good.

    An idempotent producer of which the broker once refused a batch fails every later batch of that partition. A new
    process has a new producer; records are not to blame and must not be buried for it. `UnknownError` is what a broker
    says that failed itself, for example because its disk is full.
    """
    return isinstance(error, _BROKEN_PRODUCER)


def is_transient(error: BaseException) -> bool:
    """Say whether the same work may succeed later without anybody changing it.

    Everything that is not known to pass is taken not to: it is a poison record or a bug.
    """
    if isinstance(error, (*RETRYABLE, OperationalError, InterfaceError, PoolTimeoutError, OSError, TimeoutError)):
        return True
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, (KafkaConnectionError, KafkaTimeoutError))
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return error.connection_invalidated or state in _PASSING_STATES or str(state).startswith("08")
    return False


def delay_seconds(attempt: int) -> float:
    """How long to wait before attempt number `attempt + 1`; doubles up to a bound."""
    return float(min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**attempt))
