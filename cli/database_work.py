"""What commands that work on the database share: a pool for as long as the work takes, and errors in words."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from asyncpg import PostgresError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from bootstrap.settings import Settings
from domain.errors import PaystreamError
from storage.unit_of_work import Database

PIPED_WIDTH = 200
"""Columns of a table that goes into a file or a pipe, so that a line of it can be searched for."""
PRIVATE_MODE = 0o600

T = TypeVar("T")


def run(work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Do something with the database and close it. What is wrong is said on one line, with exit code 1."""
    from bootstrap.wiring import build_database

    async def whole() -> T:
        settings = Settings()
        database = build_database(settings, "cli")
        try:
            return await work(database, settings)
        finally:
            await database.close()

    try:
        return asyncio.run(whole())
    except PaystreamError as error:
        fail(error.message)
    except OSError as error:
        fail(
            f"{error}. If the database does not answer: is it up, and does PAYSTREAM_DATABASE__URL name it?"
            " Try: paystream dev status"
        )
    except (SQLAlchemyError, PostgresError) as error:
        # Its first line alone: what follows shows rows.
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        fail(f"the database refused: {reason}. Is it the right one, and migrated? Try: paystream migrate")


def fail(message: str) -> NoReturn:
    """Say what is wrong and stop."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


def read_json(file: str) -> dict[str, Any]:
    """Read a JSON object from a file, or from standard input for `-`. What is in it is never repeated."""
    try:
        values = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{file}: not readable as JSON ({type(error).__name__})")
    if not isinstance(values, dict):
        fail(f"{file}: not a JSON object")
    return values


def print_table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows as a table that wraps nothing into pipes."""
    table = Table()
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


async def write_whole(path: Path, pieces: AsyncIterator[str]) -> None:
    """Write a text that nobody but the user may read; a file that is there is replaced once the new one is whole."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with _create(unfinished) as file:
            async for piece in pieces:
                file.write(piece.encode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write bytes that nobody but the user may read, into a file that is not there yet."""
    if path.exists():
        fail(f"{path} is there already; it is not overwritten")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with _create(unfinished) as file:
            file.write(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _create(path: Path) -> Any:  # noqa: ANN401 - a binary file, which has no name of its own in typing
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), "wb")
