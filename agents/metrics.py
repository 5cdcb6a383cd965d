"""Prometheus figures of the agents, updated once per batch."""

from prometheus_client import Counter, Gauge

WEBHOOKS_VERIFIED = Counter(
    "paystream_webhooks_verified_total", "Callbacks by gateway and verdict.", ["gateway", "outcome"]
)
FACTS = Counter("paystream_facts_total", "Facts by what became of them.", ["outcome"])
COMMANDS = Counter("paystream_commands_total", "Commands by kind and outcome.", ["kind", "outcome"])
RELAYED = Counter("paystream_relayed_messages_total", "Messages published from the outbox.")
BATCH_RETRIES = Counter("paystream_batch_retries_total", "Attempts that failed and were retried.", ["agent"])
DEAD_LETTERS = Counter("paystream_dead_letters_total", "Records that could not be processed.", ["topic"])
DEAD_LETTERS_RECENT = Gauge(
    "paystream_dead_letters_recent",
    "Dead letters within the window of the limit, at whose end the process stops.",
    ["agent"],
)
DEAD_LETTERS_ALLOWED = Gauge(
    "paystream_dead_letters_allowed", "The limit of dead letters within its window.", ["agent"]
)
SETTLEMENT_ENTRIES = Counter("paystream_settlement_entries_total", "Settlement entries counted.")
WINDOWS_CLOSED = Counter("paystream_settlement_windows_closed_total", "Settlement windows closed.", ["verdict"])
WINDOW_DIFFERENCES = Counter(
    "paystream_settlement_window_differences_total",
    "Windows whose live totals differed from PostgreSQL, by what became of it.",
    ["verdict"],
)
MISSING_WEBHOOKS = Counter(
    "paystream_missing_webhooks_total", "Movements of money that reading back brought first.", ["gateway", "kind"]
)
COMMANDS_SETTLED = Counter(
    "paystream_commands_settled_total", "Commands of unknown outcome that got their result.", ["kind", "outcome"]
)
CASES_OPENED = Counter("paystream_cases_opened_total", "Cases opened for people.", ["kind"])
ORPHAN_SEARCHES = Counter("paystream_orphan_searches_total", "Searches for unknown payments by verdict.", ["verdict"])
RECONCILE_FAILURES = Counter("paystream_reconcile_failures_total", "Looks that could not be carried out.", ["work"])
