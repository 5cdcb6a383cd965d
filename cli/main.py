"""`paystream …`: every command, registered in one place."""

import typer

from cli import (
    accounts,
    analytics,
    api_keys,
    audit,
    bench,
    cases,
    chaos,
    connectors,
    dead_letter_batches,
    dead_letters,
    demo,
    dev,
    gateways_document,
    lifecycle,
    openapi,
    payments,
    payouts,
    processes,
    reconciliation,
    replay,
    settlement,
    timeline,
    topics,
)

app = typer.Typer(
    name="paystream",
    help="A payment processor that is a stream.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(accounts.accounts, name="accounts")
app.add_typer(accounts.credentials, name="credentials")
app.add_typer(analytics.app, name="analytics")
app.add_typer(api_keys.app, name="api-keys")
app.add_typer(bench.app, name="bench")
app.add_typer(cases.app, name="cases")
app.add_typer(connectors.app, name="connectors")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(dev.app, name="dev")
app.add_typer(lifecycle.app, name="docs")
app.add_typer(payments.commands, name="commands")
app.add_typer(payments.payments, name="payments")
app.add_typer(payouts.app, name="payouts")
app.add_typer(reconciliation.app, name="reconciliation")
app.add_typer(settlement.app, name="settlement")
app.add_typer(topics.app, name="topics")
app.command()(audit.audit)
app.command()(replay.replay)
processes.register(app)
timeline.register(app, payments.payments)
demo.register(app)
chaos.register(app)
dead_letter_batches.register(dead_letters.app)
gateways_document.register(lifecycle.app)
openapi.register(lifecycle.app)


def main() -> None:
    """Entry point of the `paystream` script."""
    app()


if __name__ == "__main__":
    main()
