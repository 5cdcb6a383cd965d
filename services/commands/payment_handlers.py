"""Handlers of commands about one payment at its gateway."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.base import Capability, GatewayAnswer
from connectors.registry import get_registration
from domain.errors import CapabilityMissing, CommandConflict, InvariantViolated, NotFound, OperationNotAllowed
from domain.operations import Operation, capture_amount, check_operation, incremented_amount, refund_amount
from domain.payment import Status, totals
from services.apply_events import ReceivedFact, apply_facts, apply_orphans
from services.commands.prepared import Prepared
from services.create_payment import create_payment
from services.gateway_calls import (
    GatewayCall,
    authorize_call,
    check_capability,
    check_partial,
    create_call,
    movement_call,
    redirect_call,
    status_call,
)
from storage.commands import CommandRow
from storage.payments import PaymentRecord
from storage.unit_of_work import Transaction
from topics.commands import CompletePayment, CreateOrder, CreatePayment, PaymentCommandBase

BuildCall = Callable[[Any, PaymentRecord, int | None], GatewayCall]
AmountOf = Callable[[Transaction, Any, PaymentRecord], Any]


async def own_payment(transaction: Transaction, command: PaymentCommandBase) -> PaymentRecord:
    """Lock the command's payment. Raises NotFound when its account has none of that id."""
    payment = (await transaction.payments.lock({command.payment_id})).get(command.payment_id)
    if payment is None or payment.terms.account != command.account:
        raise NotFound(f"account {command.account!r} has no payment {command.payment_id!r}", field="payment_id")
    return payment


async def require_account(transaction: Transaction, account: str) -> None:
    """Raise NotFound when there is no such account."""
    if await transaction.accounts.get(account) is None:
        raise NotFound(f"there is no account {account!r}", field="account")


async def take_in_answer(
    transaction: Transaction, payment: PaymentRecord, answer: GatewayAnswer, now: datetime
) -> Mapping[str, str]:
    """Name the payment, apply what waited for that name, then the answer's own facts; returns the client's part."""
    terms = payment.terms
    reference = (terms.gateway, terms.account, answer.provider_reference)
    await transaction.payments.lock_references([reference])
    await refuse_taken_name(transaction, payment, answer.provider_reference)
    await transaction.payments.add_references([(reference, payment.id)])
    await transaction.payments.set_provider_reference(payment.id, answer.provider_reference)
    await apply_orphans(transaction, payment.id, [reference], now)
    if answer.facts:
        await apply_facts(transaction, [ReceivedFact(fact=fact) for fact in answer.facts], now)
    return answer.client_parameters


async def refuse_taken_name(transaction: Transaction, payment: PaymentRecord, provider_reference: str) -> None:
    """Raise CommandConflict when the name is another payment's at the gateway."""
    reference = (payment.terms.gateway, payment.terms.account, provider_reference)
    owner = (await transaction.payments.resolve([reference])).get(reference)
    if owner not in (None, payment.id):
        raise CommandConflict(
            f"another payment is {provider_reference!r} at {payment.terms.gateway}", field="provider_reference"
        )


async def refuse_payable_by_link(transaction: Transaction, payment: PaymentRecord, kind: str, now: datetime) -> None:
    """Raise OperationNotAllowed while the payment can be paid by a link, which the operation would not close."""
    link = await transaction.vault.get_link(payment.terms.account, payment.id)
    if link is not None and link.status == "active" and (link.expires_at is None or link.expires_at > now):
        raise OperationNotAllowed(f"{kind} is not possible while the payment's link is active", field="payment_id")


class CreatePaymentHandler:
    """`create_payment`: record, then set up at the gateway unless told not to."""

    async def prepare(self, transaction: Transaction, command: CreatePayment, now: datetime) -> Prepared:
        """Insert the payment."""
        check_capability(command.gateway, Capability.CREATES_ORDERS, command.kind, currency=command.currency)
        payment = await create_payment(
            transaction, command, gateway=command.gateway, now=now, manual_capture=command.manual_capture
        )
        return self._prepared(command, payment)

    async def resume(self, transaction: Transaction, command: CreatePayment, known: CommandRow) -> Prepared:
        """Find the payment that was inserted."""
        return self._prepared(command, await own_payment(transaction, command))

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Take in what the gateway said of the new payment."""
        return await _take_in(transaction, prepared, answer, now)

    @staticmethod
    def _prepared(command: CreatePayment, payment: PaymentRecord) -> Prepared:
        call = create_call(command, payment) if command.set_up_at_gateway else None
        return Prepared(gateway=command.gateway, call=call, payment=payment, amount_minor=payment.terms.amount_minor)


class OperationHandler:
    """An operation on an existing payment: checked against the table and the gateway's capabilities."""

    def __init__(
        self, operation: Operation, capability: Capability, build_call: BuildCall, amount_of: AmountOf | None = None
    ) -> None:
        self._operation = operation
        self._capability = capability
        self._build_call = build_call
        self._amount_of = amount_of

    async def prepare(self, transaction: Transaction, command: Any, now: datetime) -> Prepared:
        """Check status, capability and amount, and reserve the amount."""
        payment = await _own_payment_with_authorization(transaction, command)
        check_operation(self._operation, payment.status)
        check_capability(payment.terms.gateway, self._capability, command.kind)
        await transaction.commands.refuse_while_open(payment.id, command.command_id, command.kind)
        amount_minor = await self._amount_of(transaction, command, payment) if self._amount_of else None
        if amount_minor is not None:
            check_partial(payment, command.kind, amount_minor)
            await transaction.commands.reserve(command.command_id, amount_minor)
        return self._prepared(command, payment, amount_minor)

    async def resume(self, transaction: Transaction, command: Any, known: CommandRow) -> Prepared:
        """Use the amount that was reserved."""
        payment = await _own_payment_with_authorization(transaction, command)
        return self._prepared(command, payment, known.amount_minor)

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Take in the gateway's facts."""
        return await _take_in(transaction, prepared, answer, now)

    def _prepared(self, command: Any, payment: PaymentRecord, amount_minor: int | None) -> Prepared:
        call = self._build_call(command, payment, amount_minor)
        return Prepared(gateway=payment.terms.gateway, call=call, payment=payment, amount_minor=amount_minor)


class CreateOrderHandler(OperationHandler):
    """`create_order`: never beside another way to pay."""

    def __init__(self) -> None:
        super().__init__(
            Operation.CREATE_ORDER,
            Capability.CREATES_ORDERS,
            create_call,
        )

    async def prepare(self, transaction: Transaction, command: CreateOrder, now: datetime) -> Prepared:
        """Check that the payment has no order and no link yet."""
        payment = await own_payment(transaction, command)
        if payment.provider_reference is not None:
            raise OperationNotAllowed("the payment is set up at its gateway already", field="payment_id")
        await refuse_payable_by_link(transaction, payment, command.kind, now)
        return await super().prepare(transaction, command, now)


class CompleteHandler(OperationHandler):
    """`complete`: the caller names the payment at its gateway; whether it is complete, the gateway says."""

    def __init__(self) -> None:
        super().__init__(Operation.COMPLETE, Capability.FETCHES_STATUS, status_call)

    async def prepare(self, transaction: Transaction, command: CompletePayment, now: datetime) -> Prepared:
        """Name the payment. The same name again on a completed payment is done already."""
        payment = await own_payment(transaction, command)
        if payment.provider_reference not in (None, command.provider_reference):
            raise CommandConflict(
                f"the payment is {payment.provider_reference!r} at its gateway, not {command.provider_reference!r}",
                field="provider_reference",
            )
        check_operation(self._operation, payment.status)
        await refuse_taken_name(transaction, payment, command.provider_reference)
        if payment.status is Status.COMPLETED:
            return Prepared(gateway=payment.terms.gateway, call=None, payment=payment)
        check_capability(payment.terms.gateway, self._capability, command.kind)
        return Prepared(
            gateway=payment.terms.gateway,
            call=status_call(command, payment, None, provider_reference=command.provider_reference),
            payment=payment,
        )

    async def resume(self, transaction: Transaction, command: CompletePayment, known: CommandRow) -> Prepared:
        """Ask again; reading has no effect."""
        payment = await own_payment(transaction, command)
        call = status_call(command, payment, None, provider_reference=command.provider_reference)
        return Prepared(gateway=payment.terms.gateway, call=call, payment=payment)

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Accept the name only from a gateway that knows the payment as ours."""
        if prepared.payment is None or not isinstance(answer, GatewayAnswer):
            raise InvariantViolated("a status fetch brings facts about a payment")
        terms = prepared.payment.terms
        if any(fact.payment_id not in (None, prepared.payment.id) for fact in answer.facts):
            raise CommandConflict("the gateway has this name for another payment", field="provider_reference")
        if prepared.payment.provider_reference is None and (answer.amount_minor, answer.currency) != (
            terms.amount_minor,
            terms.currency,
        ):
            raise CommandConflict(
                f"the gateway's payment is of {answer.amount_minor} {answer.currency}, not ours",
                field="provider_reference",
            )
        return await take_in_answer(transaction, prepared.payment, answer, now)


async def _own_payment_with_authorization(transaction: Transaction, command: PaymentCommandBase) -> PaymentRecord:
    payment = await own_payment(transaction, command)
    return replace(payment, authorization_reference=await transaction.inbox.authorization_reference(payment.id))


async def _take_in(transaction: Transaction, prepared: Prepared, answer: object, now: datetime) -> Mapping[str, str]:
    if prepared.payment is None or not isinstance(answer, GatewayAnswer):
        raise InvariantViolated("an operation on a payment brings facts about it")
    return await take_in_answer(transaction, prepared.payment, answer, now)


async def _capture_amount(transaction: Transaction, command: Any, payment: PaymentRecord) -> int:
    registration = get_registration(payment.terms.gateway)
    if totals(payment.state.steps).captured and not registration.has(Capability.MULTIPLE_CAPTURES):
        raise CapabilityMissing(f"{registration.display_name} captures an authorization only once")
    return capture_amount(payment.state, payment.terms, command.amount_minor)


async def _refund_amount(transaction: Transaction, command: Any, payment: PaymentRecord) -> int:
    reserved = await transaction.commands.reserved_refunds(payment.id, command.command_id)
    return refund_amount(payment.state, reserved, command.amount_minor)


async def _incremented_amount(transaction: Transaction, command: Any, payment: PaymentRecord) -> int:
    return incremented_amount(payment.state, command.amount_minor)


async def _authorized_amount(transaction: Transaction, command: Any, payment: PaymentRecord) -> int:
    return totals(payment.state.steps).authorized


async def _captured_amount(transaction: Transaction, command: Any, payment: PaymentRecord) -> int:
    sums = totals(payment.state.steps)
    if sums.refundable != sums.captured:
        raise OperationNotAllowed(
            "a reversal takes everything back, and a part is refunded or disputed", field="payment_id"
        )
    return sums.captured


CREATE_ORDER = CreateOrderHandler()
AUTHORIZE = OperationHandler(Operation.AUTHORIZE, Capability.AUTHORIZES, authorize_call)
CAPTURE = OperationHandler(Operation.CAPTURE, Capability.CAPTURES, movement_call, _capture_amount)
VOID = OperationHandler(Operation.VOID, Capability.VOIDS, movement_call, _authorized_amount)
REVERSE = OperationHandler(Operation.REVERSE, Capability.REVERSES, movement_call, _captured_amount)
REFUND = OperationHandler(Operation.REFUND, Capability.REFUNDS, movement_call, _refund_amount)
INCREMENT_AUTHORIZATION = OperationHandler(
    Operation.INCREMENT_AUTHORIZATION, Capability.INCREMENTS_AUTHORIZATION, movement_call, _incremented_amount
)
SYNC = OperationHandler(Operation.SYNC, Capability.FETCHES_STATUS, status_call)
VERIFY_REDIRECT = OperationHandler(Operation.VERIFY_REDIRECT, Capability.VERIFIES_REDIRECTS, redirect_call)
