"""Send commands as an upstream service does, and look at payments."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from bootstrap.settings import Settings
from topics.commands import PaymentCommand

commands = typer.Typer(no_args_is_help=True, help="Send payment commands and wait for their results.")
payments = typer.Typer(no_args_is_help=True, help="Look at payments.")

ANSWER_SECONDS = 30.0


@commands.command("send")
def send(
    file: Annotated[str, typer.Option("--file", help="JSON of one command record; - reads standard input.")] = "-",
) -> None:
    """Put one command on its topic, wait for the answer, and print it."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    try:
        record = PaymentCommand.model_validate_json(text)
    except ValidationError as error:
        typer.secho(f"Not a command: {error}", err=True, fg=typer.colors.RED)
        raise typer.Exit(1) from None
    result = asyncio.run(_send_and_wait(Settings(), record))
    if result is None:
        typer.secho(f"No answer within {ANSWER_SECONDS:g} s. Does the worker run?", err=True, fg=typer.colors.RED)
        raise typer.Exit(2)
    typer.echo(result)
    raise typer.Exit(0 if json.loads(result)["outcome"] == "succeeded" else 1)


@payments.command("show")
def show(payment_id: str) -> None:
    """Print a payment as it stands."""
    from bootstrap.wiring import build_database
    from domain.payment import totals

    async def read() -> dict[str, object] | None:
        database = build_database(Settings(), "cli")
        try:
            async with database.transaction() as transaction:
                payment = await transaction.payments.get(payment_id)
        finally:
            await database.close()
        if payment is None:
            return None
        sums = totals(payment.state.steps)
        return {
            "payment_id": payment.id,
            "account": payment.terms.account,
            "gateway": payment.terms.gateway,
            "provider_reference": payment.provider_reference,
            "status": payment.status,
            "amount_minor": payment.terms.amount_minor,
            "currency": payment.terms.currency,
            "authorized_minor": sums.authorized,
            "captured_minor": sums.captured,
            "refunded_minor": sums.refunded,
            "paid_at": payment.state.paid_at and payment.state.paid_at.isoformat(),
        }

    found = asyncio.run(read())
    if found is None:
        typer.secho(f"There is no payment {payment_id}.", err=True, fg=typer.colors.RED)
        raise typer.Exit(1)
    typer.echo(json.dumps(found, indent=2))


async def _send_and_wait(settings: Settings, record: PaymentCommand) -> str | None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from bootstrap.producer import build_producer
    from topics.catalog import COMMAND_RESULTS, COMMANDS

    key = record.command.command_id.encode()
    topic = settings.kafka.topic(COMMAND_RESULTS)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers, auto_offset_reset="earliest")
    producer = build_producer(settings.kafka, client_id="paystream-cli")
    await consumer.start()
    await producer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(COMMAND_RESULTS.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        await producer.send_and_wait(
            settings.kafka.topic(COMMANDS),
            key=record.command.subject_id.encode(),
            value=record.model_dump_json().encode(),
        )
        async with asyncio.timeout(ANSWER_SECONDS):
            async for answer in consumer:
                if answer.key == key:
                    return str(answer.value.decode())
    except TimeoutError:
        return None
    finally:
        await producer.stop()
        await consumer.stop()
    return None
