"""What stands in for the broker, the accounts and the gateways when the ingress is tested alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from bootstrap.settings import IngressSettings, KafkaSettings, Settings
from connectors.base import Acknowledgement, CredentialsModel, Registration
from domain.errors import NotFound
from topics.message import RecordHeaders
from topics.webhooks import RawWebhook
from webhook_ingress.app import Ingress, create_app
from webhook_ingress.batches import Builder, Producer

Content = bytes | AsyncIterator[bytes]
RawHeaders = Sequence[tuple[bytes, bytes]]

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TOPIC_PREFIX = "unit."
URL = "/webhooks/stripe/shop"
SIGNED = {"stripe-signature": "t=1,v1=00"}


def registration(key: str, acknowledgement: Acknowledgement, *required_headers: str) -> Registration:
    """A gateway of which only the door matters."""
    return Registration(
        key=key,
        display_name=key,
        description="",
        capabilities=frozenset(),
        currencies=frozenset(),
        countries=frozenset(),
        payment_methods=(),
        credentials=CredentialsModel,
        factory=lambda _: None,
        required_headers=required_headers,
        acknowledgement=acknowledgement,
    )


REGISTRATIONS = {
    "stripe": registration("stripe", Acknowledgement(), "stripe-signature"),
    "loose": registration(
        "loose", Acknowledgement(status_code=202, body=b"[accepted]", content_type="application/problem")
    ),
}


def registration_of(gateway: str) -> Registration:
    """Look a stand-in gateway up as the registry does."""
    if gateway not in REGISTRATIONS:
        raise NotFound("no such gateway", field="gateway")
    return REGISTRATIONS[gateway]


class StandInDirectory:
    """Knows what it is told; `forgotten` is a gateway that has accounts here but no connector any more."""

    def __init__(self) -> None:
        self.accounts = {("stripe", "shop"), ("stripe", "other"), ("loose", "shop"), ("forgotten", "shop")}
        self.is_ready = True
        self.running = False

    def knows(self, gateway: str, account: str) -> bool:
        return self.is_ready and (gateway, account) in self.accounts

    def ready(self) -> bool:
        return self.is_ready

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False


@dataclass(frozen=True, slots=True)
class Record:
    """What a producer was given."""

    topic: str
    value: bytes
    key: bytes
    headers: RecordHeaders

    partition: int

    @property
    def webhook(self) -> RawWebhook:
        return RawWebhook.from_record(self.value, self.headers)


@dataclass(eq=False)
class StandInBatch:
    """Takes so many records and no more."""

    room: int
    records: list[tuple[bytes, bytes, RecordHeaders]] = field(default_factory=list)

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> object | None:
        assert timestamp is None
        assert key is not None
        assert value is not None
        if len(self.records) >= self.room:
            return None
        self.records.append((key, value, list(headers)))
        return self


@dataclass(eq=False)
class StandInProducer:
    """Remembers what it was given. It acknowledges at once, never (`hangs`), or fails with an error."""

    hangs: bool = False
    knows_no_partitions: bool = False
    room: int = 1_000
    partitions: frozenset[int] = frozenset(range(8))
    error: Exception | None = None
    start_errors: list[Exception] = field(default_factory=list)
    sent: list[Record] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    waiting: list[asyncio.Future[object]] = field(default_factory=list)
    started: bool = False
    stopped: bool = False

    async def start(self) -> None:
        if self.start_errors:
            raise self.start_errors.pop(0)
        self.started = True

    async def stop(self) -> None:
        self.stopped = True

    async def partitions_for(self, topic: str) -> set[int]:
        if self.knows_no_partitions:
            await asyncio.Event().wait()
        return set(self.partitions)

    def create_batch(self) -> StandInBatch:
        return StandInBatch(self.room)

    async def send_batch(self, batch: Builder, topic: str, *, partition: int) -> Awaitable[object]:
        assert isinstance(batch, StandInBatch)
        self.sent += [Record(topic, value, key, headers, partition) for key, value, headers in batch.records]
        self.batches.append(len(batch.records))
        delivered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            delivered.set_exception(self.error)
        elif self.hangs:
            self.waiting.append(delivered)
        else:
            delivered.set_result(None)
        return delivered

    def acknowledge(self) -> None:
        """Let everything through that hangs."""
        for delivered in self.waiting:
            if not delivered.done():
                delivered.set_result(None)


@dataclass
class Door:
    """A running ingress and its surroundings."""

    app: Ingress
    client: httpx.AsyncClient
    producer: StandInProducer
    directory: StandInDirectory
    monotonic: list[float]
    broker: list[bool]

    async def post(
        self, body: Content = b"{}", url: str = URL, headers: Mapping[str, str] | RawHeaders = SIGNED
    ) -> httpx.Response:
        """Post a callback, signed unless it is said otherwise."""
        return await self.client.post(url, content=body, headers=headers)

    async def metric(self, line_start: str) -> float | None:
        """The value of the metric whose line begins so; None when there is no such line."""
        text = (await self.client.get("/metrics")).text
        found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(line_start)]
        return float(found[0]) if found else None


@asynccontextmanager
async def open_door(
    ingress: IngressSettings | None = None, *, producer: StandInProducer | None = None
) -> AsyncIterator[Door]:
    """Run the ingress with its lifespan, without a network."""
    producer = producer or StandInProducer()
    directory = StandInDirectory()
    monotonic, broker = [1000.0], [True]

    async def probe(_producer: Producer) -> bool:
        return broker[0]

    app = create_app(
        Settings(kafka=KafkaSettings(topic_prefix=TOPIC_PREFIX), ingress=ingress or IngressSettings()),
        directory,
        registration_of=registration_of,
        producer_factory=lambda: producer,
        probe=probe,
        clock=lambda: NOW,
        monotonic=lambda: monotonic[0],
    )
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 50000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingress") as client,
    ):
        await until(lambda: producer.started)
        yield Door(app, client, producer, directory, monotonic, broker)


async def until(condition: Callable[[], object], timeout_seconds: float = 5.0) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(timeout_seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for are plain values that nobody announces
            await asyncio.sleep(0.001)
