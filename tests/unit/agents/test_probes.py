"""What a process answers on its metrics port."""

import json

import pytest

from agents.probes import STALE_SECONDS, STUCK_SECONDS, Probes
from bootstrap.readiness import Report


def answer(probes: Probes, path: str) -> tuple[int, dict[str, object]]:
    status, content_type, body = probes.answer(path)
    assert content_type == "application/json"
    return status, json.loads(body)


def test_nothing_is_ready_before_the_first_look() -> None:
    assert answer(Probes(), "/readyz") == (503, {"status": "not_ready"})


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_it_answers_what_was_found_last(*, ready: bool, status: int) -> None:
    probes = Probes()
    probes.keep(Report(ready, {"broker": ready}))
    assert answer(probes, "/readyz") == (status, {"status": "ready" if ready else "not_ready", "broker": ready})


def test_a_loop_that_no_longer_looks_is_not_ready_and_in_the_end_not_live() -> None:
    now = [0.0]
    probes = Probes(lambda: now[0])
    probes.keep(Report(ready=True, found={}))
    now[0] = STALE_SECONDS + 1
    assert answer(probes, "/readyz") == (503, {"status": "not_ready", "loop": False})
    assert answer(probes, "/livez") == (200, {"status": "live"})
    now[0] = STUCK_SECONDS + 1
    assert answer(probes, "/livez") == (503, {"status": "stuck"})


def test_metrics_are_prometheus_and_nothing_else_is_there() -> None:
    status, content_type, body = Probes().answer("/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert b"paystream_lag_records" in body
    assert answer(Probes(), "/")[0] == 404
