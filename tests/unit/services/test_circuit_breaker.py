"""A gateway that does not answer is left alone for a while; one that answers no is well."""

import asyncio

import pytest

from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from services.circuit_breaker import CIRCUIT_OPEN, Circuit, CircuitBreakers


class Watch:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def circuit(watch: Watch) -> Circuit:
    return Circuit("slowpay", watch, failures_to_open=3, open_seconds=10)


def fail(circuit: Circuit, error: BaseException) -> None:
    with pytest.raises(type(error)), circuit:
        raise error


def answer(circuit: Circuit) -> None:
    with circuit:
        pass


def is_open(circuit: Circuit) -> bool:
    return circuit.is_open


def open_up(circuit: Circuit) -> None:
    for _ in range(3):
        fail(circuit, OutcomeUnknown("silence"))


def test_silence_in_a_row_opens_it(circuit: Circuit) -> None:
    fail(circuit, OutcomeUnknown("silence"))
    fail(circuit, GatewayUnavailable("refused"))
    assert not is_open(circuit)

    fail(circuit, OutcomeUnknown("silence"))

    with pytest.raises(GatewayUnavailable) as refusal:
        answer(circuit)
    assert refusal.value.code == CIRCUIT_OPEN
    assert "slowpay" in refusal.value.message


@pytest.mark.parametrize("no", [GatewayDeclined("no"), GatewayRejected("no"), ValueError("a bug")])
def test_an_answer_between_starts_the_count_again(circuit: Circuit, no: Exception) -> None:
    for _ in range(3):
        fail(circuit, OutcomeUnknown("silence"))
        fail(circuit, no)

    assert not is_open(circuit)
    answer(circuit)


def test_after_a_while_one_call_may_try_and_closes_it(circuit: Circuit, watch: Watch) -> None:
    open_up(circuit)
    watch.seconds += 9.9
    assert is_open(circuit)

    watch.seconds += 0.1
    with circuit:
        assert is_open(circuit)
        with pytest.raises(GatewayUnavailable):
            answer(circuit)

    assert not is_open(circuit)
    fail(circuit, OutcomeUnknown("silence"))
    assert not is_open(circuit)


def test_a_trial_without_an_answer_opens_it_again(circuit: Circuit, watch: Watch) -> None:
    open_up(circuit)
    watch.seconds += 10

    fail(circuit, OutcomeUnknown("silence"))

    assert is_open(circuit)
    watch.seconds += 10
    answer(circuit)


def test_a_cancelled_trial_lets_another_try(circuit: Circuit, watch: Watch) -> None:
    open_up(circuit)
    watch.seconds += 10

    fail(circuit, asyncio.CancelledError())

    assert not is_open(circuit)
    answer(circuit)


def test_every_account_has_a_circuit_of_its_own_at_each_gateway(watch: Watch) -> None:
    breakers = CircuitBreakers(watch)
    for _ in range(5):
        fail(breakers.circuit("acme", "slowpay"), OutcomeUnknown("silence"))

    assert breakers.circuit("acme", "slowpay").is_open
    assert not breakers.circuit("other", "slowpay").is_open
    assert not breakers.circuit("acme", "stripe").is_open
