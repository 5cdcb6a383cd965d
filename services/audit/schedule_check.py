"""Windows are those that the schedules of their accounts give."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import Window
from services.audit.report import CheckName, CheckResult, Findings
from storage.settlement_rules import SettlementRuleBook

WINDOWS_BY_SCHEDULE = CheckName(
    "windows_by_schedule", "Every window begins and ends where the schedule of its account says."
)
_WINDOWS = text(
    "select account, window_start, window_end, count(*) as recipients from settlement_windows group by 1, 2, 3"
    " order by 1, 2, 3"
)


async def check_schedules(connection: AsyncConnection) -> CheckResult:
    """Ask the schedule of each account for the window at each window's start."""
    findings = Findings(WINDOWS_BY_SCHEDULE)
    histories = await SettlementRuleBook(connection).histories()
    rows = await connection.stream(_WINDOWS, execution_options={"yield_per": 1_000})
    async for row in rows:
        findings.examined += 1
        subject = f"{row.account}:{row.window_start.isoformat()}"
        history = histories.get(row.account)
        if history is None:
            findings.add(subject, "its account has no schedule")
            continue
        demanded = history.window_of(row.window_start)
        if demanded != Window(row.window_start, row.window_end):
            findings.add(
                subject,
                f"ends at {row.window_end.isoformat()} for {row.recipients} recipients, its schedule has a window"
                f" from {demanded.start.isoformat()} to {demanded.end.isoformat()}",
            )
    return findings.result()
