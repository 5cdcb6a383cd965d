"""Databases of their own for demos and tests, on a server that is there already."""

import asyncio

import asyncpg
from sqlalchemy.engine import make_url

DROP_ATTEMPTS = 20
DROP_PAUSE_SECONDS = 0.25


def create_database(server_url: str, name: str, *, template: str = "template0") -> str:
    """Create a database on the server of an SQLAlchemy URL, and return the URL of the new one."""
    asyncio.run(create_database_async(server_url, name, template=template))
    return database_url(server_url, name)


async def create_database_async(server_url: str, name: str, *, template: str = "template0") -> None:
    """Create a database; names are quoted, so any name will do.

    Files are copied as they are: on a server that waits for no disk, which tests have, that is the quickest way.
    """
    connection = await asyncpg.connect(_driver_url(server_url))
    try:
        await connection.execute(f"create database {_quoted(name)} template {_quoted(template)} strategy file_copy")
    finally:
        await connection.close()


async def drop_database_async(server_url: str, name: str) -> None:
    """Drop a database and disconnect whoever is on it."""
    connection = await asyncpg.connect(_driver_url(server_url))
    try:
        for attempt in range(DROP_ATTEMPTS):
            try:
                await connection.execute(f"drop database if exists {_quoted(name)} with (force)")
            except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectInUseError):
                # Autovacuum is at work in it, which only a superuser may disconnect; it is done in a moment.
                if attempt == DROP_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(DROP_PAUSE_SECONDS)
            else:
                return
    finally:
        await connection.close()


def database_url(server_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def _driver_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
