"""A gateway in memory with every Protocol of `connectors.base`, which keeps its promise about idempotency keys.

The same key is one effect, answered alike. What it holds is what payers paid, so tests can compare our books with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar, cast

from connectors.base import (
    AuthorizationRequest,
    Callback,
    GatewayAnswer,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    MovementRequest,
    OrderRequest,
    PaymentLinkAnswer,
    PaymentLinkRequest,
    PaymentMethodRequest,
    RedirectRequest,
    StatusRequest,
    StoredPaymentMethod,
)
from domain.errors import GatewayDeclined, GatewayRejected, VerificationFailed
from domain.facts import Fact, FactKind
from services.gateways import ConnectorSource
from tests.integration.services.books import NOW

Answer = TypeVar("Answer")


@dataclass
class Held:
    """A payment as the gateway has it; amounts in minor units, captures and refunds by reference."""

    reference: str
    amount_minor: int
    currency: str
    payment_id: str | None = None
    manual_capture: bool = False
    authorized_minor: int = 0
    captures: dict[str, int] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    failed_refunds: list[str] = field(default_factory=list)
    is_voided: bool = False
    is_reversed: bool = False

    @property
    def captured_minor(self) -> int:
        return sum(self.captures.values())

    @property
    def refunded_minor(self) -> int:
        return sum(self.refunds.values())

    @property
    def kept_minor(self) -> int:
        """What the payer paid and did not get back."""
        return 0 if self.is_reversed else self.captured_minor - self.refunded_minor


@dataclass
class FakeGateway:
    """One account at one gateway. `fails_before` and `fails_after` are raised by the next calls."""

    name: str = "stripe"
    account: str = "demo"
    held: dict[str, Held] = field(default_factory=dict)
    effects: dict[str, tuple[str, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    fails_before: list[Exception] = field(default_factory=list)
    fails_after: list[Exception] = field(default_factory=list)
    mandate_status: str = "active"
    _answers: dict[str, object] = field(default_factory=dict)

    def parse_callback(self, callback: Callback) -> list[Fact]:
        """Nothing is posted to it."""
        raise VerificationFailed("this gateway signs nothing")

    def instructions(
        self,
        method: str,
        *,
        reference: str | None = None,
        amount_minor: int | None = None,
        currency: str | None = None,
    ) -> str:
        return f"Pay {amount_minor} {currency} by {method} and say {reference}"

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            held = self.hold(request.amount_minor, request.currency, manual_capture=request.manual_capture)
            return GatewayAnswer(
                provider_reference=held.reference, client_parameters={"client_secret": f"{held.reference}_secret"}
            )

        return self._once(request.idempotency_key, "order", request.amount_minor, effect)

    async def authorize(self, request: AuthorizationRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            self.pay(request.provider_reference)
            return self._answer(request.provider_reference)

        return self._once(request.idempotency_key, "authorize", 0, effect)

    async def capture(self, request: MovementRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            held = self._find(request.provider_reference)
            if held.is_voided or held.captured_minor + request.amount_minor > held.authorized_minor:
                raise GatewayDeclined("more than is authorized")
            held.captures[f"{held.reference}_ch{len(held.captures) + 1}"] = request.amount_minor
            return self._answer(held.reference)

        return self._once(request.idempotency_key, "capture", request.amount_minor, effect)

    async def void(self, request: MovementRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            held = self._find(request.provider_reference)
            if held.captures:
                raise GatewayDeclined("captured already")
            held.is_voided = True
            return self._answer(held.reference)

        return self._once(request.idempotency_key, "void", 0, effect)

    async def reverse(self, request: MovementRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            held = self._find(request.provider_reference)
            if held.refunds:
                raise GatewayDeclined("refunded already")
            held.is_reversed = True
            return self._answer(held.reference)

        return self._once(request.idempotency_key, "reverse", request.amount_minor, effect)

    async def refund(self, request: MovementRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            self.give_back(request.provider_reference, request.amount_minor)
            return self._answer(request.provider_reference)

        return self._once(request.idempotency_key, "refund", request.amount_minor, effect)

    async def increment_authorization(self, request: MovementRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            held = self._find(request.provider_reference)
            held.authorized_minor = max(held.authorized_minor, request.amount_minor)
            return self._answer(held.reference)

        return self._once(request.idempotency_key, "increment_authorization", request.amount_minor, effect)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        self.calls += 1
        if request.parameters.get("proof") != "genuine":
            raise VerificationFailed("the proof is false")
        return self._answer(request.provider_reference)

    async def setup_mandate(self, request: MandateRequest) -> MandateAnswer:
        def effect() -> MandateAnswer:
            return MandateAnswer(
                provider_reference=f"seti_{request.mandate_id}",
                status=self.mandate_status,
                customer_reference=f"cus_{request.customer_id}",
                payment_method_reference=request.payment_method_token,
            )

        return self._once(request.idempotency_key, "mandate", 0, effect)

    async def charge_mandate(self, request: MandateChargeRequest) -> GatewayAnswer:
        def effect() -> GatewayAnswer:
            held = self.hold(request.amount_minor, request.currency)
            self.pay(held.reference)
            return self._answer(held.reference)

        return self._once(request.idempotency_key, "charge_mandate", request.amount_minor, effect)

    async def store_payment_method(self, request: PaymentMethodRequest) -> StoredPaymentMethod:
        def effect() -> StoredPaymentMethod:
            return StoredPaymentMethod(
                provider_reference=f"pm_{request.token}",
                customer_reference=f"cus_{request.customer_id}",
                kind="card",
                brand="visa",
                last_four="4242",
                expires="12/2030",
            )

        return self._once(request.idempotency_key, "payment_method", 0, effect)

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        def effect() -> PaymentLinkAnswer:
            reference = f"plink_{len(self.links) + 1}"
            self.links[reference] = "active"
            return PaymentLinkAnswer(provider_reference=reference, url=f"https://pay.example/{reference}")

        return self._once(request.idempotency_key, "link", request.amount_minor, effect)

    async def cancel_payment_link(self, provider_reference: str) -> None:
        self.calls += 1
        self._fail(self.fails_before)
        self.links[provider_reference] = "cancelled"
        self._fail(self.fails_after)

    async def fetch_status(self, request: StatusRequest) -> GatewayAnswer:
        self.calls += 1
        self._fail(self.fails_before)
        return self._answer(request.provider_reference)

    def hold(
        self, amount_minor: int, currency: str, *, payment_id: str | None = None, manual_capture: bool = False
    ) -> Held:
        """Set a payment up, as an order does, or as somebody else's system would."""
        reference = f"pi_{len(self.held) + 1}"
        self.held[reference] = Held(reference, amount_minor, currency, payment_id, manual_capture)
        return self.held[reference]

    def pay(self, reference: str) -> None:
        """Have the payer pay: authorize, and capture at once unless that was to wait."""
        held = self._find(reference)
        held.authorized_minor = max(held.authorized_minor, held.amount_minor)
        if not held.manual_capture and not held.captures:
            held.captures[f"{reference}_ch1"] = held.amount_minor

    def give_back(self, reference: str, amount_minor: int) -> None:
        """Refund, as a command or somebody at the gateway's dashboard does."""
        held = self._find(reference)
        if held.is_reversed or held.refunded_minor + amount_minor > held.captured_minor:
            raise GatewayDeclined("more than is captured")
        held.refunds[f"{reference}_re{len(held.failed_refunds) + len(held.refunds) + 1}"] = amount_minor

    def take_back(self, refund: str) -> None:
        """Have a refund fail after all: its money returns."""
        held = self._find(refund.rpartition("_")[0])
        del held.refunds[refund]
        held.failed_refunds.append(refund)

    def facts(self, reference: str, source: str) -> list[Fact]:
        """Everything there is to say of a payment; `source` makes the event ids, as each way of telling has its own."""
        held = self._find(reference)
        said: list[tuple[FactKind, str | None, int | None]] = []
        if held.authorized_minor:
            said.append((FactKind.AUTHORIZED, None, held.authorized_minor))
        said += [(FactKind.CAPTURED, capture, amount) for capture, amount in held.captures.items()]
        said += [(FactKind.REFUNDED, refund, amount) for refund, amount in held.refunds.items()]
        said += [(FactKind.REFUND_FAILED, refund, None) for refund in held.failed_refunds]
        if held.is_voided:
            said.append((FactKind.CANCELLED, None, None))
        if held.is_reversed:
            said.append((FactKind.REVERSED, None, None))
        return [self._fact(held, source, number, *words) for number, words in enumerate(said)]

    def _fact(
        self, held: Held, source: str, number: int, kind: FactKind, movement: str | None, amount_minor: int | None
    ) -> Fact:
        return Fact(
            gateway=self.name,
            account=self.account,
            gateway_event_id=f"{source}:{held.reference}:{kind}:{movement}:{amount_minor}",
            kind=kind,
            provider_reference=held.reference,
            occurred_at=NOW + timedelta(seconds=number),
            amount_minor=amount_minor,
            currency=None if amount_minor is None else held.currency,
            movement_reference=movement,
            payment_id=held.payment_id,
        )

    def _answer(self, reference: str) -> GatewayAnswer:
        held = self._find(reference)
        return GatewayAnswer(
            provider_reference=reference,
            facts=tuple(self.facts(reference, "api")),
            amount_minor=held.amount_minor,
            currency=held.currency,
        )

    def _find(self, reference: str) -> Held:
        if reference not in self.held:
            raise GatewayRejected(f"no such payment: {reference}")
        return self.held[reference]

    def _once(self, key: str, what: str, amount_minor: int, effect: Callable[[], Answer]) -> Answer:
        self.calls += 1
        self._fail(self.fails_before)
        if key not in self.effects:
            self._answers[key] = effect()
            self.effects[key] = (what, amount_minor)
        elif self.effects[key] != (what, amount_minor):
            raise GatewayRejected(f"the idempotency key {key!r} was used for something else")
        self._fail(self.fails_after)
        return cast("Answer", self._answers[key])

    def _fail(self, errors: list[Exception]) -> None:
        if errors:
            raise errors.pop(0)


class FakeGateways(ConnectorSource):
    """Hands out one fake for each gateway, whatever the account."""

    def __init__(self, gateways: Mapping[str, FakeGateway]) -> None:
        self._gateways = gateways

    async def connector(self, account: str, gateway: str) -> object:
        return self._gateways[gateway]
