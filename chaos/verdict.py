"""What is compared when a run is at rest: what was answered, what lies on the topics, the books, and the gateways."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from chaos.findings import Findings
from chaos.ground import Ground
from chaos.postman import DELIVERY_HEADER, Ledger
from chaos.shops.base import Truth
from chaos.stories import Lived
from services.audit.report import AuditReport
from services.audit.run import AUDITED_TOPICS
from services.audit.topic_reader import TopicReader, TopicRecord, open_topics
from storage.unit_of_work import Database
from topics.catalog import COMMAND_RESULTS, DEAD_LETTERS, PAYMENT_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS
from topics.commands import CommandResult
from topics.message import SEQUENCE_HEADER, header
from topics.payment_events import PaymentEvent
from topics.webhooks import RawWebhook

_BOOKS = text("select id, captured_minor, refunded_minor from payments")


@dataclass(frozen=True, slots=True)
class Books:
    """What Paystream has for one payment, in minor units."""

    captured_minor: int
    refunded_minor: int


async def compare(
    ground: Ground, ledger: Ledger, sent: Sequence[str], lived: Sequence[Lived], findings: Findings
) -> None:
    """Run every comparison that is not the audit's."""
    kafka = ground.settings.kafka
    async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, AUDITED_TOPICS) as topics:
        await _compare_deliveries(topics, ledger, findings)
        await _look_for_dead_letters(topics, findings)
        await _compare_results(topics, sent, findings)
        told = await _compare_events(topics, findings)
    books = await _read_books(ground.database)
    for one in lived:
        if one.order is None:
            continue
        truth = await one.shop.truth(one.order)
        compare_books(one.payment_id, truth, books.get(one.payment_id), findings)
        compare_telling(one.payment_id, books.get(one.payment_id), told.get(one.payment_id), findings)
        compare_answers(one, truth, findings)


def judge_audit(report: AuditReport, findings: Findings) -> None:
    """Take the audit's violations over."""
    for check in report.checks:
        for violation in check.violations:
            findings.add(f"audit:{check.name}", f"{violation.subject}: {violation.message}")


async def _compare_deliveries(topics: TopicReader, ledger: Ledger, findings: Findings) -> None:
    """Every delivery that was answered with 2xx lies on the raw topic; what was refused later was forged."""
    stored = set(await _deliveries(topics, raw=True))
    for name in ledger.accepted.keys() - stored:
        payment_id = ledger.accepted[name]
        findings.add("callback_lost", f"delivery {name} of {payment_id} had 2xx and is not on the topic", lost=True)
    rejected = await _deliveries(topics, raw=False)
    for name, reason in rejected.items():
        if name not in ledger.forged:
            findings.add("callback_refused", f"delivery {name} was genuine and refused: {reason}", lost=True)
    for name in (ledger.forged & stored) - rejected.keys():
        findings.add("forgery_believed", f"delivery {name} was forged and not refused")


async def _deliveries(topics: TopicReader, *, raw: bool) -> dict[str, str]:
    """The deliveries on a topic by name, with the reason they were refused for."""
    found: dict[str, str] = {}
    async for chunk in topics.chunks(RAW_WEBHOOKS if raw else REJECTED_WEBHOOKS):
        for record in chunk:
            webhook = RawWebhook.from_record(record.value or b"", record.headers)
            name = dict(webhook.http_headers).get(DELIVERY_HEADER, "")
            found[name] = header(record.headers, "ps_reason") or ""
    return found


async def _look_for_dead_letters(topics: TopicReader, findings: Findings) -> None:
    """Nothing in a run is unreadable, so nothing may have been given up."""
    for spec in DEAD_LETTERS:
        async for chunk in topics.chunks(spec):
            for record in chunk:
                said = {name: value.decode(errors="replace") for name, value in record.headers}
                findings.add("dead_letter", f"{spec.name} offset {record.offset}: {said}", lost=True)


async def _compare_results(topics: TopicReader, sent: Sequence[str], findings: Findings) -> None:
    """Every command has exactly one final result; a repeat of it carries the sequence number of the first."""
    finals: dict[str, set[str]] = defaultdict(set)
    async for chunk in topics.chunks(COMMAND_RESULTS):
        for record in chunk:
            result = CommandResult.model_validate_json(record.value or b"")
            if result.outcome != "unknown":
                finals[result.command_id].add(header(record.headers, SEQUENCE_HEADER) or "")
    for command_id in sent:
        count = len(finals.get(command_id, ()))
        if count != 1:
            message = f"{command_id} has {count} final results"
            findings.add("command_results", message, lost=count == 0, doubled=count > 1)


async def _compare_events(topics: TopicReader, findings: Findings) -> dict[str, PaymentEvent]:
    """Read as a consumer with one number of state: each payment's events are 1, 2, 3 …; returns the last of each."""
    newest: dict[str, PaymentEvent] = {}
    highest: Counter[int] = Counter()
    async for chunk in topics.chunks(PAYMENT_EVENTS):
        for record in chunk:
            sequence = int(header(record.headers, SEQUENCE_HEADER) or 0)
            if sequence <= highest[record.partition]:
                continue
            highest[record.partition] = sequence
            _follow(record, newest, findings)
    return newest


def _follow(record: TopicRecord, newest: dict[str, PaymentEvent], findings: Findings) -> None:
    event = PaymentEvent.model_validate_json(record.value or b"")
    before = newest[event.payment_id].sequence if event.payment_id in newest else 0
    if event.sequence != before + 1:
        message = f"{event.payment_id}: event {event.sequence} follows {before}"
        findings.add("events", message, lost=event.sequence > before + 1, doubled=event.sequence <= before)
    newest[event.payment_id] = event


async def _read_books(database: Database) -> dict[str, Books]:
    async with database.transaction() as transaction:
        return {row[0]: Books(*row[1:]) for row in await transaction.connection.execute(_BOOKS)}


def compare_books(payment_id: str, truth: Truth, books: Books | None, findings: Findings) -> None:
    """What the gateway moved is what Paystream has booked."""
    booked = (0, 0) if books is None else (books.captured_minor, books.refunded_minor)
    for what, moved, ours in zip(
        ("captured", "refunded"), (truth.captured_minor, truth.refunded_minor), booked, strict=True
    ):
        if moved != ours:
            message = f"{payment_id}: the gateway {what} {moved}, the books say {ours}"
            findings.add("books_differ_from_gateway", message, lost=ours < moved, doubled=ours > moved)


def compare_telling(payment_id: str, books: Books | None, told: PaymentEvent | None, findings: Findings) -> None:
    """The last domain event tells the totals that are booked."""
    booked = (0, 0) if books is None else (books.captured_minor, books.refunded_minor)
    said = (0, 0) if told is None else (told.captured_minor, told.refunded_minor)
    if booked != said:
        findings.add("events_differ_from_books", f"{payment_id}: the events say {said}, the books {booked}", lost=True)


def compare_answers(one: Lived, truth: Truth, findings: Findings) -> None:
    """What upstream was answered is what the gateway did: each refund once, none for a command that failed."""
    refunds = _succeeded(one.results, "refund")
    answered = sum(result.amount_minor or 0 for result in refunds) + one.dashboard_refund_minor
    if answered != truth.refunded_minor:
        message = f"{one.payment_id}: answered refunds of {answered}, the gateway made {truth.refunded_minor}"
        findings.add(
            "answers_differ", message, lost=answered > truth.refunded_minor, doubled=truth.refunds > len(refunds)
        )
    if truth.captures > 1:
        findings.add("charged_twice", f"{one.payment_id}: captured {truth.captures} times", doubled=True)


def _succeeded(results: Mapping[str, CommandResult], kind: str) -> list[CommandResult]:
    return [result for result in results.values() if result.kind == kind and result.outcome == "succeeded"]
