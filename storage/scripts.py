"""Run SQL scripts of several statements, which prepared statements cannot."""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.util import await_only


def run_script(connection: Connection, script: str) -> None:
    """Run a script on the driver's own connection, inside the transaction that is open on it."""
    driver: Any = connection.connection.driver_connection
    await_only(driver.execute(script))
