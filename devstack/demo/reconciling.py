"""The end of the demo's day: statements of gateway and bank are imported and matched with the books."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devstack.demo.plan import ACCOUNT
from devstack.demo.stripe_report import PlantedBreak
from devstack.demo.treasury import CLEO, REQUEST, write_private
from domain.statement_lines import Side
from services.statement_matching.breaks import find_breaks
from services.statement_matching.importing import SIDES, ReportFormat, import_statement
from services.statement_matching.matching import MatchingRules, match_statements
from storage.unit_of_work import Database

MOST_BREAKS = 100
BANK = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBreak:
    """A break as reconciliation tells it: what it is about, and the amounts of both sides in minor units."""

    kind: str
    currency: str
    expected_minor: int | None
    actual_minor: int | None
    detail: str
    items: tuple[str, ...]

    def is_about(self, planted: PlantedBreak) -> bool:
        """Whether it is the break that was planted, to the minor unit."""
        return (
            (self.kind, self.currency) == ("amount", planted.currency)
            and (self.expected_minor, self.actual_minor) == (planted.recorded_minor, planted.reported_minor)
            and f"capture:stripe:{planted.charge_id}" in self.items
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What came of it: the files, how many lines each has, and what matching found."""

    gateway_report: Path
    bank_statement: Path
    gateway_lines: int
    bank_lines: int
    matched: int
    waiting: int
    by_kind: Mapping[str, int]
    breaks: tuple[FoundBreak, ...]
    planted: PlantedBreak

    @property
    def is_as_planted(self) -> bool:
        """Whether everything matched but for the one planted break."""
        return (
            len(self.breaks) == 1
            and self.breaks[0].is_about(self.planted)
            and self.matched == self.gateway_lines + self.bank_lines - 1
        )


async def reconcile(
    database: Database, directory: Path, report: bytes, planted: PlantedBreak, statement: bytes
) -> Reconciled:
    """Write both files, import them in Cleo's name, match them with the books and read the breaks."""
    gateway_report = write_private(directory / "stripe-balance.csv", report)
    bank_statement = write_private(directory / "bank-statement.xml", statement)
    gateway_lines = await _import(database, report, gateway_report.name, ReportFormat.STRIPE, "stripe")
    bank_lines = await _import(database, statement, bank_statement.name, ReportFormat.CAMT_053, BANK)
    matched = await match_statements(database, ACCOUNT, MatchingRules(), now=_now())
    found, _ = await find_breaks(database, ACCOUNT, limit=MOST_BREAKS)
    return Reconciled(
        gateway_report=gateway_report,
        bank_statement=bank_statement,
        gateway_lines=gateway_lines,
        bank_lines=bank_lines,
        matched=matched.matched,
        waiting=matched.waiting,
        by_kind={kind.value: count for kind, count in matched.breaks.items()},
        breaks=tuple(
            FoundBreak(
                kind=one.kind.value,
                currency=one.currency,
                expected_minor=one.expected_minor,
                actual_minor=one.actual_minor,
                detail=one.detail,
                items=one.items,
            )
            for one in found
        ),
        planted=planted,
    )


async def _import(database: Database, content: bytes, file_name: str, report_format: ReportFormat, source: str) -> int:
    imported = await import_statement(
        database,
        ACCOUNT,
        SIDES[report_format] or Side.BANK,
        source,
        report_format,
        content,
        file_name=file_name,
        actor=CLEO,
        request_id=REQUEST,
        now=_now(),
    )
    return imported.report.line_count


def _now() -> datetime:
    return datetime.now(UTC)
