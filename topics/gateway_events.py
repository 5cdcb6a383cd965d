"""Facts on the wire: one record per fact, keyed by gateway and provider reference."""

from domain.facts import Fact, FactKind, Trust
from topics.message import AmountMinor, CloudEvent, Currency, Identifier, Message, Name, Text, Timestamp

GATEWAY_EVENT_TYPE = "paystream.gateway_event"


class GatewayEvent(Message):
    """A fact, verified and normalized. See `domain.facts.Fact` for the meaning of the fields."""

    gateway: Name
    account: Name
    gateway_event_id: Identifier
    kind: FactKind
    provider_reference: Identifier
    occurred_at: Timestamp
    trust: Trust
    amount_minor: AmountMinor | None = None
    currency: Currency | None = None
    movement_reference: Identifier | None = None
    related_references: tuple[Identifier, ...] = ()
    payment_id: Identifier | None = None
    reason: Text | None = None
    receipt_url: Text | None = None
    evidence_due_at: Timestamp | None = None

    @property
    def key(self) -> bytes:
        """Facts of one payment at one gateway stay in one partition."""
        return f"{self.gateway}:{self.provider_reference}".encode()

    @classmethod
    def from_fact(cls, fact: Fact) -> "GatewayEvent":
        """Put a fact on the wire; raises pydantic's ValidationError when a field is out of bounds."""
        return cls(**{name: getattr(fact, name) for name in _FIELDS})

    def to_fact(self) -> Fact:
        """Take the fact off the wire."""
        return Fact(**self.__dict__)

    def cloud_event(self) -> CloudEvent:
        """The record's attributes."""
        return CloudEvent(
            id=f"{self.gateway}:{self.account}:{self.gateway_event_id}",
            type=f"{GATEWAY_EVENT_TYPE}.{self.kind}",
            source=f"/gateways/{self.gateway}/{self.account}",
            subject=self.provider_reference,
            time=self.occurred_at,
        )


_FIELDS = tuple(GatewayEvent.model_fields)
