"""`paystream dead-letters retry-many` and `discard-many`: by what records have in common, up to a limit."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from cli.dead_letters import By, at_the_desk
from cli.moments import read_moment
from services.dead_letter_batches import (
    BatchPage,
    Decider,
    OutcomeKind,
    decide_page,
    discarding,
    retrying,
)
from services.dead_letters import Access, DeadLetterDesk, ParkedFilter
from services.parked_records import dead_letter_topic, parked_topic
from topics.catalog import DEAD_LETTERS
from topics.spec import TopicSpec

MOST = 100_000

TopicOption = Annotated[str | None, typer.Option("--topic", help="Only what lies on this topic, as the list names it.")]
AccountOption = Annotated[str | None, typer.Option("--account", help="Only what belongs to this account.")]
GatewayOption = Annotated[str | None, typer.Option("--gateway", help="Only what is of this gateway.")]
ErrorOption = Annotated[
    str | None, typer.Option("--error", help="Only what failed for this reason, as the list names it.")
]
SinceOption = Annotated[
    datetime | None, typer.Option("--since", parser=read_moment, metavar="TIME", help="Only what is this young.")
]
UntilOption = Annotated[
    datetime | None, typer.Option("--until", parser=read_moment, metavar="TIME", help="Only what is older.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=MOST, help="Stop after so many, the newest first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many there are, and decide nothing.")]

Deciding = Callable[[DeadLetterDesk], Decider]


def register(dead_letters: typer.Typer) -> None:
    """Add the commands to `paystream dead-letters`."""
    dead_letters.command("retry-many")(retry_many)
    dead_letters.command("discard-many")(discard_many)


def retry_many(
    *,
    by: By,
    topic: TopicOption = None,
    account: AccountOption = None,
    gateway: GatewayOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Limit = 100,
    dry_run: DryRun = False,
) -> None:
    """Put every undecided record that fits back onto the topic it came from, and count what became of each.

    Rejected callbacks are verified again when their topic is named.
    """
    wanted = _filter(account, gateway, error, since, until)
    _run(
        parked_topic,
        topic,
        wanted,
        account,
        limit,
        lambda desk: retrying(desk, actor=by, request_id=""),
        dry_run=dry_run,
    )


def discard_many(
    *,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why nothing more is to be done.")],
    topic: TopicOption = None,
    account: AccountOption = None,
    gateway: GatewayOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Limit = 100,
    dry_run: DryRun = False,
) -> None:
    """Record of every undecided dead letter that fits that nothing more will be done about it, and why."""
    wanted = _filter(account, gateway, error, since, until)
    _run(
        dead_letter_topic,
        topic,
        wanted,
        account,
        limit,
        lambda desk: discarding(desk, reason, actor=by, request_id=""),
        dry_run=dry_run,
    )


def _filter(
    account: str | None, gateway: str | None, error: str | None, since: datetime | None, until: datetime | None
) -> ParkedFilter:
    return ParkedFilter(
        gateway=gateway,
        reason=error,
        unattributed=None if account is None else False,
        parked_from=since,
        parked_before=until,
    )


def _run(
    look_up: Callable[[str], TopicSpec],
    topic: str | None,
    wanted: ParkedFilter,
    account: str | None,
    limit: int,
    deciding: Deciding,
    *,
    dry_run: bool,
) -> None:
    counts: Counter[OutcomeKind] = Counter()

    async def work(desk: DeadLetterDesk, access: Access) -> BatchPage:
        topics = DEAD_LETTERS if topic is None else (look_up(topic),)
        decider = Decider() if dry_run else deciding(desk)
        edges = None
        with _progress() as bars:
            task = bars.add_task("records", total=limit)
            while True:
                left = limit - counts.total()
                page = await decide_page(desk, access, topics, wanted, decider, limit=left, edges=edges)
                counts.update(page.counts)
                bars.update(task, completed=counts.total())
                edges = page.edges
                if page.stopped is not None or edges is None or counts.total() >= limit:
                    return page

    try:
        last = at_the_desk(work, account)
    except BaseException:
        # What was done stays done, and nobody should have to guess how much that is.
        typer.echo(_in_words(counts), err=True)
        raise
    typer.echo(_in_words(counts))
    if last.stopped is not None:
        typer.secho(f"stopped: {last.stopped}. The same command goes on with the rest.", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)
    if last.edges is not None:
        typer.echo("There may be more: the limit was reached.", err=True)


def _in_words(counts: Counter[OutcomeKind]) -> str:
    if not counts:
        return "No record was decided about."
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in sorted(counts.items()))


def _progress() -> Progress:
    columns, console = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn()), Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
