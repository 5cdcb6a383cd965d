"""Dead letters and rejected callbacks: look at them, put them back, give them up."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.settings import Settings
from domain.errors import PaystreamError
from services.dead_letters import Access, DeadLetterDesk, Parked, ParkedFilter, ParkedPage
from services.parked_records import Place, parked_topic
from topics.catalog import DEAD_LETTERS, REJECTED_WEBHOOKS

app = typer.Typer(no_args_is_help=True, help="Records that could not be processed, and rejected callbacks.")

T = TypeVar("T")

Topic = Annotated[str, typer.Argument(help="The topic that the record lies on, as the list names it.")]
Partition = Annotated[int, typer.Argument(min=0)]
Offset = Annotated[int, typer.Argument(min=0)]
By = Annotated[str, typer.Option("--by", help="Your name; it goes into the audit log.")]


@app.command("list")
def list_(
    topic: Annotated[str | None, typer.Option("--topic", help="Only what lies on this topic.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only what belongs to this account.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000)] = 50,
    *,
    rejected: Annotated[bool, typer.Option("--rejected", help="List rejected callbacks instead.")] = False,
    undecided: Annotated[bool, typer.Option("--undecided", help="Only what nothing was decided about.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
) -> None:
    """List dead letters, the newest first."""

    async def read(desk: DeadLetterDesk, access: Access) -> ParkedPage:
        topics = DEAD_LETTERS if topic is None else (parked_topic(topic),)
        wanted = ParkedFilter(unattributed=None if account is None else False, decided=False if undecided else None)
        found: list[Parked] = []
        edges = None
        while True:
            page = await desk.find(
                access, (REJECTED_WEBHOOKS,) if rejected else topics, wanted, limit=limit - len(found), edges=edges
            )
            found += page.items
            edges = page.edges
            if edges is None or len(found) >= limit:
                return ParkedPage(items=found, edges=edges)

    page = at_the_desk(read, account)
    if as_json:
        typer.echo(json.dumps([_shown(parked) for parked in page.items], default=str, indent=2))
    elif page.items:
        _print(page.items)
    else:
        typer.echo("No rejected callbacks." if rejected else "No dead letters.")
    if page.edges is not None:
        typer.echo("There are more.", err=True)


@app.command("show")
def show(topic: Topic, partition: Partition, offset: Offset) -> None:
    """Print a record: why it is here, its headers without secrets, the size and digest of its body."""
    place = Place(topic=topic, partition=partition, offset=offset)
    parked = at_the_desk(lambda desk, access: desk.show(access, place))
    typer.echo(json.dumps(_shown(parked), default=str, indent=2))


@app.command("retry")
def retry(topic: Topic, partition: Partition, offset: Offset, by: By) -> None:
    """Put a record back onto the topic it came from, byte for byte; a rejected callback is verified again."""
    place = Place(topic=topic, partition=partition, offset=offset)
    parked = at_the_desk(lambda desk, access: desk.put_back(access, place, actor=by, request_id=""))
    decision = parked.decision
    sent = None if decision is None else f"{decision.sent_topic}/{decision.sent_partition}/{decision.sent_offset}"
    typer.echo(f"{place} is back at {sent}.")


@app.command("discard")
def discard(
    topic: Topic,
    partition: Partition,
    offset: Offset,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why nothing more is to be done.")],
) -> None:
    """Record that nothing more will be done about a dead letter. The record stays, and may still be retried."""
    place = Place(topic=topic, partition=partition, offset=offset)
    at_the_desk(lambda desk, access: desk.discard(access, place, reason, actor=by, request_id=""))
    typer.echo(f"{place} is discarded.")


def _print(found: list[Parked]) -> None:
    table = Table()
    for header in ("Record", "Since", "Account", "Reason", "Message", "Attempt", "Decided"):
        table.add_column(header, overflow="fold")
    for parked in found:
        record, decision = parked.record, parked.decision
        since = "" if record.parked_at is None else record.parked_at.isoformat(timespec="seconds")
        decided = "" if decision is None else f"{decision.kind} by {decision.decided_by}"
        cells = (str(record.place), since, parked.account or "", record.reason, record.message, str(record.attempt))
        table.add_row(*(_plain(cell) for cell in (*cells, decided)))
    Console().print(table)


def _plain(cell: str) -> str:
    """Text of others, which may hold what the terminal's markup means something by."""
    from rich.markup import escape

    return escape("".join(character if character.isprintable() else "�" for character in cell))


def _shown(parked: Parked) -> dict[str, object]:
    decision = None if parked.decision is None else asdict(parked.decision)
    return {**asdict(parked.record), "account": parked.account, "decision": decision}


def at_the_desk(work: Callable[[DeadLetterDesk, Access], Awaitable[T]], account: str | None = None) -> T:
    """Do some work with the broker and the database of the settings; an error is told and ends the command with 1."""
    from bootstrap.broker import KafkaBroker
    from bootstrap.clock import system_clock
    from bootstrap.wiring import build_database

    async def run() -> T:
        settings = Settings()
        database = build_database(settings, "cli")
        broker = KafkaBroker(settings.kafka)
        try:
            access = Access(account=account, database=database, everything=database)
            return await work(DeadLetterDesk(broker, system_clock), access)
        finally:
            await broker.close()
            await database.close()

    # The driver logs every failed connection, which the one message below says better.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(run())
    except PaystreamError as error:
        _fail(error.message)
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        _fail(f"the database does not answer: {reason}. Is the stack up and migrated? Try: paystream dev status")


def _fail(message: str) -> NoReturn:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
