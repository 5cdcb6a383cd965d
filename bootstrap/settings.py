"""Settings of every process, from the environment.

Names are `PAYSTREAM_<GROUP>__<NAME>`, for example `PAYSTREAM_DATABASE__URL`. Secrets are SecretStr and never printed.
"""

from functools import cached_property
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from topics.spec import TopicSpec


class KafkaSettings(BaseModel):
    """The broker. `idempotence` is only ever off on a broker that cannot do it (see devstack)."""

    bootstrap_servers: str = "127.0.0.1:9092"
    idempotence: bool = True
    replication_factor: int = 1
    topic_prefix: str = ""

    def topic(self, spec: TopicSpec) -> str:
        """The topic's name on this cluster; the prefix keeps environments that share a cluster apart."""
        return self.topic_prefix + spec.name


class DatabaseSettings(BaseModel):
    """PostgreSQL, as an SQLAlchemy URL: `postgresql+asyncpg://user:password@host:port/name`."""

    url: SecretStr = SecretStr("postgresql+asyncpg://paystream:paystream@127.0.0.1:5432/paystream")
    pool_size: int = 5


class IngressSettings(BaseModel):
    """The door for callbacks.

    The rate limit is an account's at a gateway; a single peer may use up `rate_limit_peer_share` of it. Behind proxies
    of one's own, `trusted_proxies` says how many of them a callback passes: peers are then told apart by
    `X-Forwarded-For`.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = "http://127.0.0.1:8080"
    max_body_bytes: int = 1_048_576
    max_header_bytes: int = 65_536
    acknowledge_timeout_seconds: float = 1.5
    max_in_flight: int = 1_000
    rate_limit_per_second: float = 500.0
    rate_limit_burst: int = 2_000
    rate_limit_peer_share: float = Field(default=0.5, gt=0, le=1)
    trusted_proxies: int = Field(default=0, ge=0)


class ApiSettings(BaseModel):
    """The HTTP API. `public_url` is what links to hosted pages begin with; no other origins may call by default."""

    host: str = "127.0.0.1"
    port: int = 8081
    public_url: str = "http://127.0.0.1:8081"
    max_body_bytes: int = 262_144
    rate_limit_per_second: float = 50.0
    rate_limit_burst: int = 200
    cors_origins: tuple[str, ...] = ()


class WorkerSettings(BaseModel):
    """The Faust apps. Up to `batch_size` records are applied in one transaction, in up to `apply_lanes` at a time.

    An agent that would write more than `dead_letter_limit` dead letters in `dead_letter_window_seconds` stops its
    process instead.
    """

    batch_size: int = 500
    apply_lanes: int = 2
    batch_wait_seconds: float = 0.005
    commands_per_gateway: int = 16
    dead_letter_limit: int = Field(default=50, ge=0)
    dead_letter_window_seconds: float = Field(default=60.0, gt=0)
    metrics_port: int = 0


class ReadinessSettings(BaseModel):
    """When a process says that it is not ready.

    - `max_lag_records`: more records than that wait for its agents. `max_outbox_seconds`: a message has waited longer
      than that to be published.
    - `reserved_disk_bytes`: less than that is free where `disk_path` lies; 0 looks at no disk.
    """

    max_lag_records: int = Field(default=50_000, ge=0)
    max_outbox_seconds: float = Field(default=60.0, gt=0)
    reserved_disk_bytes: int = Field(default=0, ge=0)
    disk_path: str = "/"


class ReconcileSettings(BaseModel):
    """Reading payments back, and settling commands of unknown outcome.

    A payment that is not at its end and that nothing changed for `quiet_after_seconds` is read back; each time that
    changes nothing, twice as long passes before the next. At most `concurrency` gateways' calls are made at a time.
    """

    interval_seconds: float = 2.0
    quiet_after_seconds: int = 900
    quiet_interval_seconds: float = 30.0
    adoption_interval_seconds: float = 5.0
    batch_size: int = 50
    concurrency: int = 8


class SettlementSettings(BaseModel):
    """Windows and batches of accounts without rules of their own. Thresholds are minor units, by currency or for all.

    Up to the first threshold a batch approves itself; above the second, if there is one, two people approve it.
    `batch_wait_seconds` is how long an entry waits for company before it is counted, for which nobody waits.
    """

    window_seconds: int = 86_400
    grace_seconds: int = 3_600
    close_interval_seconds: float = 5.0
    batch_wait_seconds: float = 0.1
    auto_approve_threshold_minor: int = 100_000
    auto_approve_threshold_by_currency: dict[str, int] = Field(default_factory=dict)
    second_approval_threshold_minor: int | None = None
    second_approval_threshold_by_currency: dict[str, int] = Field(default_factory=dict)


class KeySettings(BaseModel):
    """The key ring that wraps credentials: key ids to 32 bytes of base64. New records use `active`."""

    ring: dict[str, SecretStr] = Field(default_factory=dict)
    active: str = ""


class LogSettings(BaseModel):
    """How to log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """Everything a process reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="PAYSTREAM_", env_nested_delimiter="__", extra="ignore")

    kafka: KafkaSettings = KafkaSettings()
    database: DatabaseSettings = DatabaseSettings()
    ingress: IngressSettings = IngressSettings()
    api: ApiSettings = ApiSettings()
    worker: WorkerSettings = WorkerSettings()
    readiness: ReadinessSettings = ReadinessSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    settlement: SettlementSettings = SettlementSettings()
    keys: KeySettings = KeySettings()
    log: LogSettings = LogSettings()

    @cached_property
    def database_url(self) -> str:
        """The database URL in the clear, for the driver only."""
        return self.database.url.get_secret_value()
