"""Gateways of other packages, for the commands that look gateways up."""

import typer


def load_installed_gateways() -> None:
    """Register the gateways of installed packages; say on standard error which ones were left out, and why."""
    from connectors.registry import load_entry_points

    for left_out in load_entry_points():
        typer.secho(f"{left_out}", err=True, fg=typer.colors.RED)
