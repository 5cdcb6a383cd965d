"""The report says the same to people and to machines."""

import io
import json
from collections import Counter

from rich.console import Console

from bench.chart import draw
from chaos.findings import Findings
from chaos.report import ChaosReport, show


def report(findings: Findings) -> ChaosReport:
    return ChaosReport(
        seed=7,
        minutes=2.0,
        seconds=170.0,
        disk="ENOSPC",
        faults={"kill": 3, "cut": 1},
        kills=3,
        cases=1,
        restarted=["kafka (code 1)"],
        payments=10,
        payments_by_gateway=Counter(stripe=6, razorpay=4),
        commands=25,
        unknown_answers=2,
        outcomes=Counter(succeeded=20, refused=5),
        callbacks=30,
        attempts=44,
        answers={"0": 4, "200": 38, "503": 2},
        accepted=38,
        forged=1,
        fates={"raw": 38, "applied": 28, "duplicates": 9, "rejected": 1},
        findings=findings,
        audit_holds=True,
        recovery_seconds={"kill": [1.0, 2.0, 9.0]},
        timeline=[(0, 0, 0), (10, 20, 4), (20, 38, 10)],
    )


def printed(findings: Findings) -> str:
    console = Console(file=io.StringIO(), width=160)
    show(report(findings), console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_clean_run_says_so() -> None:
    written = json.loads(json.dumps(report(Findings()).to_json()))
    assert (written["holds"], written["lost"], written["doubled"]) == (True, 0, 0)
    assert (written["kills"], written["accepted"], written["applied"], written["duplicates"]) == (3, 38, 28, 9)
    assert written["payments_by_gateway"] == {"stripe": 6, "razorpay": 4}
    assert written["recovery"] == {"kill": {"median": 2.0, "longest": 9.0}}
    assert "Nothing lost, nothing doubled." in printed(Findings())


def test_a_run_is_drawn() -> None:
    course, recovery = report(Findings()).to_json()["charts"]

    assert course["lines"]["callbacks taken"][-1] == (20, 38)
    assert course["lines"]["payments captured"][-1] == (20, 10)
    assert recovery["bars"] == [("kill", 2_000.0)]
    assert all("<svg" in draw(chart) for chart in (course, recovery))


def test_what_is_wrong_is_counted_and_named() -> None:
    findings = Findings()
    findings.add("callback_lost", "delivery 12 of pay-1 had 2xx and is not on the topic", lost=True)
    findings.add("charged_twice", "pay-2: captured 2 times", doubled=True)
    written = json.loads(json.dumps(report(findings).to_json()))
    assert (written["holds"], written["lost"], written["doubled"]) == (False, 1, 1)
    assert written["problem_counts"] == {"callback_lost": 1, "charged_twice": 1}
    assert "delivery 12 of pay-1" in printed(findings)
    assert "Something is wrong." in printed(findings)
