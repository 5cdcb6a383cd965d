"""`localstripe`, the stateful Stripe server, on the loopback address only and without writing its store to disk."""

from typing import Annotated

import typer
from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app


def run(port: Annotated[int, typer.Option()]) -> None:
    """Serve until stopped."""
    # It would write all it has to a shared file after every request, and read another run's leftovers at start.
    Store.dump_to_disk = lambda _: None
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    typer.run(run)
