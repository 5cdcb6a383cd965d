"""Rounds: what goes wrong with one payment leaves the others alone, and what passes by itself is left to pass."""

import pytest

from agents.reconcile import ReconcileAgent
from agents.runtime import Runtime
from bootstrap.settings import ReconcileSettings, Settings


class Rounds:
    """Work that fails for some items, and what was put off."""

    def __init__(self, failures: dict[str, Exception]) -> None:
        self.failures = failures
        self.done: list[str] = []
        self.off: list[tuple[str, str]] = []

    async def work(self, item: str) -> None:
        if item in self.failures:
            raise self.failures[item]
        self.done.append(item)

    async def put_off(self, item: str, error: Exception) -> None:
        self.off.append((item, type(error).__name__))


@pytest.fixture
def agent() -> ReconcileAgent:
    return ReconcileAgent(Runtime(Settings(reconcile=ReconcileSettings(concurrency=2)), "test"))


async def test_an_unexpected_error_counts_against_its_own_item_alone(agent: ReconcileAgent) -> None:
    rounds = Rounds({"b": KeyError("amount")})
    await agent._each(["a", "b", "c"], rounds.work, rounds.put_off)
    assert rounds.done == ["a", "c"]
    assert rounds.off == [("b", "KeyError")]


async def test_an_error_that_passes_ends_the_round_as_itself_after_the_others(agent: ReconcileAgent) -> None:
    rounds = Rounds({"a": ConnectionResetError("the database is restarting")})
    with pytest.raises(ConnectionResetError):
        await agent._each(["a", "b", "c"], rounds.work, rounds.put_off)
    assert rounds.done == ["b", "c"]
    assert rounds.off == []
