import json

from services.audit.report import KEPT_VIOLATIONS, AuditReport, CheckName, CheckResult, Findings

CHECK = CheckName("everything_fits", "Everything fits.")


def _result(violations: int) -> CheckResult:
    findings = Findings(CHECK)
    for number in range(violations):
        findings.add(f"id_{number}", "does not fit")
    return findings.result()


def test_a_check_without_violations_holds() -> None:
    assert _result(0).holds
    assert AuditReport((_result(0), _result(0))).holds


def test_one_violation_breaks_the_check_and_the_report() -> None:
    assert not _result(1).holds
    assert not AuditReport((_result(0), _result(1))).holds


def test_all_violations_are_counted_and_only_the_first_are_kept() -> None:
    result = _result(KEPT_VIOLATIONS + 5)
    assert result.violation_count == KEPT_VIOLATIONS + 5
    assert [violation.subject for violation in result.violations] == [f"id_{n}" for n in range(KEPT_VIOLATIONS)]


def test_violations_known_only_by_number_break_the_check_too() -> None:
    findings = Findings(CHECK)
    findings.count_unseen(3)
    assert (findings.result().holds, findings.result().violation_count) == (False, 3)


def test_json_has_verdicts_ids_and_figures() -> None:
    findings = Findings(CHECK)
    findings.examined = 2
    findings.figures["seen"] = 2
    findings.add("id_1", "does not fit")
    assert json.loads(AuditReport((findings.result(),)).to_json()) == {
        "holds": False,
        "checks": [
            {
                "name": "everything_fits",
                "description": "Everything fits.",
                "examined": 2,
                "violations": [{"check": "everything_fits", "subject": "id_1", "message": "does not fit"}],
                "violation_count": 1,
                "figures": {"seen": 2},
                "holds": False,
            }
        ],
    }
