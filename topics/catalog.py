"""Every topic of Paystream, as one literal list."""

from topics.commands import CommandResult, PaymentCommand
from topics.gateway_events import GatewayEvent
from topics.payment_events import PaymentEvent
from topics.reconciliation import ReconciliationNotice
from topics.settlement import PayoutBatch, SettlementEntry, SettlementWindow
from topics.spec import Cleanup, TopicSpec

RAW_WEBHOOKS = TopicSpec(
    name="payments.webhooks.raw.v1",
    description="Callbacks exactly as gateways posted them: bytes and headers. The source of every replay.",
    key="digest of the body",
    model=None,
    written_by="webhook_ingress",
    carries_callbacks=True,
)
REJECTED_WEBHOOKS = TopicSpec(
    name="payments.webhooks.rejected.v1",
    description="Callbacks that are not proven to come from their gateway, or that cannot be read, with the reason.",
    key="digest of the body",
    model=None,
    written_by="agents/verify",
    carries_callbacks=True,
)
GATEWAY_EVENTS = TopicSpec(
    name="payments.gateway-events.v1",
    description="Facts: what gateways said happened, verified and normalized.",
    key="gateway:provider_reference",
    model=GatewayEvent,
    written_by="agents/verify",
)
COMMANDS = TopicSpec(
    name="payments.commands.v1",
    description="What upstream services ask of payments.",
    key="payment_id",
    model=PaymentCommand,
    written_by="upstream services, api",
    retention_days=7,
)
COMMAND_RESULTS = TopicSpec(
    name="payments.command-results.v1",
    description="The one final answer to each command.",
    key="command_id",
    model=CommandResult,
    written_by="agents/relay",
    retention_days=7,
)
PAYMENT_EVENTS = TopicSpec(
    name="payments.events.v1",
    description="Domain events: the steps of each payment's life.",
    key="payment_id",
    model=PaymentEvent,
    written_by="agents/relay",
)
RECONCILIATION = TopicSpec(
    name="payments.reconciliation.v1",
    description="What reconciliation found: cases for people, and money that moved without a callback.",
    key="payment_id, or what else it is about",
    model=ReconciliationNotice,
    written_by="agents/relay",
)
SETTLEMENT_ENTRIES = TopicSpec(
    name="settlement.entries.v1",
    description="Every movement of a recipient's money.",
    key="account:recipient_type:recipient_id:currency",
    model=SettlementEntry,
    written_by="agents/relay",
)
SETTLEMENT_WINDOWS = TopicSpec(
    name="settlement.windows.v1",
    description="Running totals per recipient, currency and window.",
    key="account:recipient_type:recipient_id:currency:window_start",
    model=SettlementWindow,
    written_by="agents/settle",
    cleanup=Cleanup.COMPACT,
)
PAYOUT_BATCHES = TopicSpec(
    name="settlement.payout-batches.v1",
    description="Payout batches, one record per change; the newest record of a key is the batch as it stands.",
    key="payout_batch_id",
    model=PayoutBatch,
    written_by="agents/relay",
    cleanup=Cleanup.COMPACT,
)


def dead_letter(source: TopicSpec) -> TopicSpec:
    """The topic that takes what `source`'s reader could not process, however often it tried."""
    return TopicSpec(
        name=source.name.removesuffix(".v1") + ".dlq.v1",
        description=f"Records of {source.name} that could not be processed, with error, attempt and position.",
        key=source.key,
        model=None,
        written_by="agents/guard",
        retention_days=90,
        carries_callbacks=source.carries_callbacks,
    )


DEAD_LETTERS = tuple(dead_letter(spec) for spec in (RAW_WEBHOOKS, GATEWAY_EVENTS, COMMANDS, SETTLEMENT_ENTRIES))

SETTLE_APP_ID = "paystream-settle"
SETTLEMENT_TABLE = "window-totals"
SETTLEMENT_CHANGELOG = TopicSpec(
    name=f"{SETTLE_APP_ID}-{SETTLEMENT_TABLE}-changelog",
    description="State of the table of running totals; read by nobody but the settle app.",
    key="internal",
    model=None,
    written_by="agents/settle",
    cleanup=Cleanup.COMPACT,
    internal=True,
)

TOPICS: tuple[TopicSpec, ...] = (
    RAW_WEBHOOKS,
    REJECTED_WEBHOOKS,
    GATEWAY_EVENTS,
    COMMANDS,
    COMMAND_RESULTS,
    PAYMENT_EVENTS,
    RECONCILIATION,
    SETTLEMENT_ENTRIES,
    SETTLEMENT_WINDOWS,
    PAYOUT_BATCHES,
    *DEAD_LETTERS,
    SETTLEMENT_CHANGELOG,
)
