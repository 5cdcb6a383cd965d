"""The part of the summary about payouts: batches by status, the bank file, reconciliation."""

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from devstack.demo.figures import Figures
from devstack.demo.payday import Payout
from devstack.demo.reconciling import Reconciled
from devstack.demo.treasury import SentFile
from domain.money import to_decimal_string
from domain.settlement import BatchStatus

MEANINGS = {
    BatchStatus.COMPLETED: "executed: the bank file paid it, and the bank's statement tells of it",
    BatchStatus.APPROVED: "small enough to need nobody; not sent to the bank yet",
    BatchStatus.DRAFT: "held: so much has to be approved by two people",
    BatchStatus.PROCESSING: "sent to the bank, which has not confirmed it",
    BatchStatus.FAILED: "came back; its entries go into the recipient's next batch",
}
CARRIED_OVER = "carried over"
CARRIED_MEANS = "held: below the minimum payout, or less than nothing; it goes into a later batch"


def show_payday(figures: Figures, console: Console) -> None:
    """Print what was paid, what is held, and what reconciliation found."""
    day = figures.payday
    console.print(_batches(figures))
    shown = [status for status in MEANINGS if any(one.status == status for one in day.payouts)]
    for status in shown:
        _say(console, status, MEANINGS[status])
    if figures.carried:
        _say(console, CARRIED_OVER, CARRIED_MEANS)
    console.print()
    if day.file is not None:
        console.print(_file(day.file))
    for refusal in day.refusals:
        _say(console, "refused", refusal)
    console.print()
    if day.reconciled is not None:
        console.print(_reconciliation(day.reconciled))
        for found in day.reconciled.breaks:
            planted = "planted" if found.is_about(day.reconciled.planted) else "not planted"
            _say(console, f"{found.kind} break, {planted}", found.detail)
        console.print()


def _say(console: Console, what: str, text: str) -> None:
    """Print a remark on what stands above it, indented also where it is wrapped."""
    console.print(Padding(Text.assemble((what, "bold"), f": {text}"), (0, 0, 0, 2)))


def _batches(figures: Figures) -> Table:
    table = Table(title="Payout batches", title_justify="left", title_style="bold")
    for column in ("status", "recipient"):
        table.add_column(column)
    for column in ("batches", "entries", "gross", "fees", "net"):
        table.add_column(column, justify="right")
    for (status, recipient, currency), batches in sorted(_grouped(figures.payday.payouts).items(), key=_in_order):
        table.add_row(
            status,
            recipient,
            str(len(batches)),
            str(sum(one.entry_count for one in batches)),
            _money(sum(one.gross_minor for one in batches), currency),
            _money(sum(one.fee_minor for one in batches), currency),
            _money(sum(one.net_minor for one in batches), currency),
        )
    table.add_section()
    for recipient, currency, entries, net in figures.carried:
        table.add_row(CARRIED_OVER, recipient, "", str(entries), "", "", _money(net, currency))
    return table


def _grouped(payouts: Iterable[Payout]) -> dict[tuple[str, str, str], list[Payout]]:
    groups: dict[tuple[str, str, str], list[Payout]] = {}
    for one in payouts:
        groups.setdefault((one.status, one.recipient, one.currency), []).append(one)
    return groups


def _in_order(group: tuple[tuple[str, str, str], list[Payout]]) -> tuple[int, str, str]:
    (status, recipient, currency), _ = group
    return list(MEANINGS).index(BatchStatus(status)), recipient, currency


def _file(sent: SentFile) -> Table:
    sums = ", ".join(_money(amount_minor, currency) for currency, amount_minor in sorted(sent.totals.items()))
    table = _grid("Bank file")
    table.add_row("file", str(sent.path))
    table.add_row("format", f"{sent.format}, valid by its schema")
    table.add_row("pays", f"{sent.transfer_count} payments: {sums}")
    table.add_row("SHA-256", sent.digest)
    return table


def _reconciliation(reconciled: Reconciled) -> Table:
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(reconciled.by_kind.items())) or "none"
    table = _grid("Reconciliation")
    table.add_row("Stripe's report", f"{reconciled.gateway_report}, {reconciled.gateway_lines} lines")
    table.add_row("bank's statement", f"{reconciled.bank_statement}, {reconciled.bank_lines} lines")
    table.add_row("matched", f"{reconciled.matched}; {reconciled.waiting} wait for a statement")
    table.add_row("breaks", found)
    return table


def _grid(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table


def _money(amount_minor: int, currency: str) -> str:
    return f"{to_decimal_string(amount_minor, currency)} {currency}"
