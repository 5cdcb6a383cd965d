"""The long-running processes: one command each."""

import typer


def register(app: typer.Typer) -> None:
    """Add the process commands to the application."""
