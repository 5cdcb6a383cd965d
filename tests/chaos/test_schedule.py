"""The schedule is a pure function of the seed."""

import pytest

from chaos.schedule import EXPLANATIONS, FaultKind, make_schedule

SEEDS = (1, 2, 3, 77, 2_026)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_makes_the_same_schedule(seed: int) -> None:
    assert make_schedule(seed, 10) == make_schedule(seed, 10)


def test_another_seed_makes_another_schedule() -> None:
    assert len({make_schedule(seed, 3) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_longer_run_begins_with_the_same_faults(seed: int) -> None:
    short, long = make_schedule(seed, 2), make_schedule(seed, 10)
    shared = [fault for fault in long if fault.end_seconds <= 120]
    assert list(short) == shared


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_come_in_order_and_never_two_at_once_at_one_target(seed: int) -> None:
    schedule = make_schedule(seed, 10)
    assert list(schedule) == sorted(schedule, key=lambda fault: fault.at_seconds)
    busy_until: dict[str, float] = {}
    for fault in schedule:
        assert fault.at_seconds >= busy_until.get(fault.target, 0.0), fault
        busy_until[fault.target] = fault.end_seconds
    assert max(busy_until.values()) <= 600


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_hold_every_kind_and_kill_every_process(seed: int) -> None:
    schedule = make_schedule(seed, 10)
    assert {fault.kind for fault in schedule} == set(FaultKind)
    killed = {fault.target for fault in schedule if fault.kind is FaultKind.KILL}
    assert killed == {"ingress", "worker-1", "worker-2", "relay-1", "relay-2", "settle", "kafka", "postgres"}


def test_every_kind_is_explained() -> None:
    assert set(EXPLANATIONS) == set(FaultKind)
