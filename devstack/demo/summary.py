"""The summary a person reads, and the same as JSON."""

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from devstack.demo.expectations import expectations_of
from devstack.demo.figures import Figures, Rows
from devstack.demo.payday_summary import show_payday
from domain.money import to_decimal_string

MOST_DIFFERENCES = 10


def to_json(figures: Figures) -> dict[str, Any]:
    """The figures as plain values."""
    others = {"audit", "payday"}
    plain = {
        field.name: getattr(figures, field.name) for field in dataclasses.fields(figures) if field.name not in others
    }
    expectations = {one.description: one.holds for one in expectations_of(figures.payday)}
    return {
        "holds": figures.holds,
        "expectations": expectations,
        **plain,
        "payday": dataclasses.asdict(figures.payday),
        "audit": figures.audit.to_json(),
    }


def show(figures: Figures, console: Console) -> None:
    """Print the summary, for a hundred columns."""
    console.print()
    console.print(_payments(figures.payments))
    console.print(_callbacks(figures))
    console.print(_ledger(figures.ledger))
    show_payday(figures, console)
    console.print(_promises(figures))
    console.print(_invariants(figures))
    if figures.latency_milliseconds:
        latency = figures.latency_milliseconds
        console.print(
            f"From callback to domain event: p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms"
            f" over {latency['count']:.0f} captures, on {figures.broker}."
        )
    for difference in [*figures.differences_from_plan[:MOST_DIFFERENCES], *figures.payday.problems]:
        console.print(difference, style="red", markup=False)
    verdict = "[bold green]Every invariant holds.[/]" if figures.holds else "[bold red]Something does not hold.[/]"
    console.print(f"{verdict} {figures.seconds:.0f} s.")


def _money(amount_minor: int, currency: str) -> str:
    return f"{to_decimal_string(amount_minor, currency)} {currency}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _payments(rows: Rows) -> Table:
    table = _table("Payments", "status", "number", "captured", "refunded")
    for status, currency, count, captured, refunded in rows:
        table.add_row(status, str(count), _money(captured, currency), _money(refunded, currency))
    return table


def _callbacks(figures: Figures) -> Table:
    table = _table("Callbacks", "what became of them", "number")
    for name, count in figures.callbacks.items():
        table.add_row(name.replace("_", " "), str(count))
    return table


def _ledger(rows: Rows) -> Table:
    table = _table("Ledger (debits positive)", "account", "balance")
    sums: dict[str, int] = {}
    for account, currency, balance in rows:
        sums[currency] = sums.get(currency, 0) + balance
        table.add_row(account, _money(balance, currency))
    table.add_section()
    for currency, balance in sorted(sums.items()):
        table.add_row("sum", _money(balance, currency), style="green" if balance == 0 else "red")
    return table


def _promises(figures: Figures) -> Table:
    table = _table("What was to be shown", "promise", "")
    table.add_row("Every payment ended as planned.", _mark(holds=not figures.differences_from_plan))
    for one in expectations_of(figures.payday):
        table.add_row(one.description, _mark(holds=one.holds))
    return table


def _invariants(figures: Figures) -> Table:
    table = _table("Invariants", "invariant", "examined", "")
    for check in figures.audit.checks:
        table.add_row(check.description, str(check.examined), _mark(holds=check.holds))
    return table


def _mark(*, holds: bool) -> str:
    return "[green]✓[/]" if holds else "[red]✗[/]"
