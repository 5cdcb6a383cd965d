"""Which errors pass by themselves."""

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    UnknownError,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from agents.retry_policy import MAX_DELAY_SECONDS, delay_seconds, is_fatal, is_transient
from domain.errors import GatewayUnavailable, InvariantViolated, MalformedPayload, OutcomeUnknown


class DriverError(Exception):
    """What a driver raises, with PostgreSQL's state."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    "error",
    [
        GatewayUnavailable("no connection"),
        ConnectionRefusedError(),
        TimeoutError(),
        KafkaConnectionError(),
        KafkaTimeoutError(),
        OperationalError("", None, DriverError("08006")),
        DBAPIError("", None, DriverError("40P01")),
        DBAPIError("", None, DriverError("40001")),
    ],
)
def test_errors_that_pass(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknown("timeout at the gateway"),
        MalformedPayload("unreadable"),
        InvariantViolated("a bug"),
        MessageSizeTooLargeError(),
        IntegrityError("", None, DriverError("23505")),
        ValueError("a bug"),
        KeyError("a bug"),
    ],
)
def test_errors_that_do_not(error: Exception) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize("error", [OutOfOrderSequenceNumber(), UnknownError()])
def test_a_broker_that_failed_itself_spoils_the_producer_and_no_record_is_to_blame(error: Exception) -> None:
    assert is_fatal(error)
    assert not is_fatal(MessageSizeTooLargeError())


def test_waits_double_up_to_a_bound() -> None:
    waits = [delay_seconds(attempt) for attempt in range(12)]
    assert waits[:3] == [0.1, 0.2, 0.4]
    assert waits == sorted(waits)
    assert waits[-1] == MAX_DELAY_SECONDS
