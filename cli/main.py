"""`paystream …`: every command, registered in one place."""

import typer

from cli import accounts, audit, bench, cases, demo, dev, lifecycle, payments, processes, timeline, topics

app = typer.Typer(
    name="paystream",
    help="A payment processor that is a stream.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(accounts.accounts, name="accounts")
app.add_typer(accounts.credentials, name="credentials")
app.add_typer(bench.app, name="bench")
app.add_typer(cases.app, name="cases")
app.add_typer(dev.app, name="dev")
app.add_typer(lifecycle.app, name="docs")
app.add_typer(payments.commands, name="commands")
app.add_typer(payments.payments, name="payments")
app.add_typer(topics.app, name="topics")
app.command()(audit.audit)
processes.register(app)
timeline.register(app, payments.payments)
demo.register(app)


def main() -> None:
    """Entry point of the `paystream` script."""
    app()


if __name__ == "__main__":
    main()
