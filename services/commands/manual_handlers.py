"""Handlers of payments that a person makes and another person confirms: bank transfer, wallet, check, money order."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from connectors.base import Capability, GatewayAnswer, GivesInstructions
from connectors.registry import get_registration
from domain.errors import CapabilityMissing, InvariantViolated, OperationNotAllowed, Refused
from domain.facts import Fact, FactKind
from domain.money import check_currency
from domain.operations import Operation, check_operation
from services.apply_events import ReceivedFact, apply_facts
from services.commands.payment_handlers import (
    own_payment,
    refuse_payable_by_link,
    require_account,
    take_in_answer,
)
from services.commands.prepared import Prepared
from services.create_payment import create_payment
from services.gateway_calls import GatewayCall, movement_call
from storage.commands import CommandRow
from storage.payments import PaymentRecord
from storage.unit_of_work import Transaction
from topics.commands import ApprovePayment, CancelPayment, RejectPayment, SubmitManualPayment

GATEWAY = "manual"
INVOICE = "invoice"


class LocalHandler:
    """Base of commands that are done within their first transaction."""

    async def resume(self, transaction: Transaction, command: Any, known: CommandRow) -> Prepared:
        """Such a command is never found half done: it is recorded and finished in one transaction."""
        raise InvariantViolated(f"{command.kind} {known.id!r} was recorded and not finished")

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """No gateway is asked, so none answers."""
        raise InvariantViolated("a command without a call has no answer")


class SubmitManualPaymentHandler(LocalHandler):
    """`submit_manual_payment`: pending approval, for an invoice of the account that is not paid yet.

    The result tells how the account is paid by this method, where the account has said so.
    """

    async def prepare(self, transaction: Transaction, command: SubmitManualPayment, now: datetime) -> Prepared:
        """Check the invoice and record the payment."""
        await require_account(transaction, command.account)
        check_currency(command.currency)
        await _check_resource(
            transaction,
            _Claim(
                command.account,
                command.resource_type,
                command.resource_id,
                command.amount_minor,
                command.currency,
            ),
        )
        payment = await create_payment(transaction, command, gateway=GATEWAY, now=now, awaiting_approval=True)
        await transaction.manual_payments.add(
            payment.id,
            method=command.method,
            transaction_reference=command.transaction_reference,
            notes=command.notes,
            submitted_by=command.actor,
            now=now,
        )
        return self._prepared(command, payment)

    async def resume(self, transaction: Transaction, command: SubmitManualPayment, known: CommandRow) -> Prepared:
        """Look the instructions up again."""
        return self._prepared(command, await own_payment(transaction, command))

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Instructions are told and not kept."""
        return answer.client_parameters if isinstance(answer, GatewayAnswer) else {}

    @staticmethod
    def _prepared(command: SubmitManualPayment, payment: PaymentRecord) -> Prepared:
        return Prepared(
            gateway=GATEWAY,
            call=GatewayCall(GivesInstructions, partial(_instructions, command)),
            payment=payment,
            amount_minor=command.amount_minor,
            details={"method": command.method, "transaction_reference": command.transaction_reference},
            optional=True,
        )


class DecideHandler(LocalHandler):
    """`approve` and `reject`: never by whoever submitted the payment."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    async def prepare(
        self, transaction: Transaction, command: ApprovePayment | RejectPayment, now: datetime
    ) -> Prepared:
        """Turn the decision into a fact of the manual gateway."""
        payment = await own_payment(transaction, command)
        if not get_registration(payment.terms.gateway).has(Capability.APPROVED_BY_PEOPLE):
            raise CapabilityMissing(f"payments at {payment.terms.gateway} are not approved by people")
        check_operation(self._operation, payment.status)
        submitted = await transaction.manual_payments.get(payment.id)
        if submitted is None:
            raise InvariantViolated(f"manual payment {payment.id} was never submitted")
        if submitted.submitted_by == command.actor:
            raise OperationNotAllowed("whoever submitted a payment cannot decide on it", field="actor")
        if self._operation is Operation.APPROVE:
            # Others may have paid since this one was submitted; whoever approves at the same time waits here.
            await _check_resource(transaction, _claim_of(payment))
        await transaction.manual_payments.decide(payment.id, by=command.actor, now=now)
        await apply_facts(transaction, [ReceivedFact(fact=_decision(command, payment, now))], now)
        return Prepared(gateway=GATEWAY, call=None, payment=payment, amount_minor=payment.terms.amount_minor)


class CancelHandler:
    """`cancel`: before any money moved; at the gateway too, where it knows the payment and can void it."""

    async def prepare(self, transaction: Transaction, command: CancelPayment, now: datetime) -> Prepared:
        """Ask the gateway to void, or cancel here alone when the gateway knows nothing of the payment."""
        payment = await own_payment(transaction, command)
        check_operation(Operation.CANCEL, payment.status)
        await refuse_payable_by_link(transaction, payment, command.kind, now)
        await transaction.commands.refuse_while_open(payment.id, command.command_id, command.kind)
        if payment.provider_reference is None:
            await apply_facts(transaction, [ReceivedFact(fact=_cancellation(command, payment, now))], now)
            return Prepared(gateway=payment.terms.gateway, call=None, payment=payment)
        registration = get_registration(payment.terms.gateway)
        if not registration.has(Capability.VOIDS):
            raise CapabilityMissing(f"{registration.display_name} has no cancel: its API lacks such a call")
        return Prepared(gateway=payment.terms.gateway, call=movement_call(command, payment, None), payment=payment)

    async def resume(self, transaction: Transaction, command: CancelPayment, known: CommandRow) -> Prepared:
        """Ask the gateway again, with the same key."""
        payment = await own_payment(transaction, command)
        return Prepared(gateway=payment.terms.gateway, call=movement_call(command, payment, None), payment=payment)

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Take in the gateway's word that it is cancelled."""
        if prepared.payment is None or not isinstance(answer, GatewayAnswer):
            raise InvariantViolated("a cancellation brings facts about its payment")
        return await take_in_answer(transaction, prepared.payment, answer, now)


def _decision(command: ApprovePayment | RejectPayment, payment: PaymentRecord, now: datetime) -> Fact:
    approved = isinstance(command, ApprovePayment)
    return Fact(
        gateway=payment.terms.gateway,
        account=payment.terms.account,
        gateway_event_id=f"decision:{payment.id}",
        kind=FactKind.CAPTURED if approved else FactKind.FAILED,
        provider_reference=payment.id,
        occurred_at=now,
        amount_minor=payment.terms.amount_minor if approved else None,
        currency=payment.terms.currency if approved else None,
        movement_reference=payment.id if approved else None,
        payment_id=payment.id,
        reason=None if isinstance(command, ApprovePayment) else command.reason,
    )


def _cancellation(command: CancelPayment, payment: PaymentRecord, now: datetime) -> Fact:
    return Fact(
        gateway=payment.terms.gateway,
        account=payment.terms.account,
        gateway_event_id=f"cancelled:{payment.id}",
        kind=FactKind.CANCELLED,
        provider_reference=payment.id,
        occurred_at=now,
        payment_id=payment.id,
        reason=command.reason,
    )


async def _instructions(command: SubmitManualPayment, connector: GivesInstructions) -> GatewayAnswer:
    """What the account tells payers of this method, for the result's client parameters."""
    text = connector.instructions(
        command.method, reference=command.resource_id, amount_minor=command.amount_minor, currency=command.currency
    )
    return GatewayAnswer(provider_reference=command.payment_id, client_parameters={"instructions": text})


class _Claim(NamedTuple):
    """What a manual payment says it pays."""

    account: str
    resource_type: str
    resource_id: str
    amount_minor: int
    currency: str


def _claim_of(payment: PaymentRecord) -> _Claim:
    terms = payment.terms
    return _Claim(terms.account, payment.resource_type, payment.resource_id, terms.amount_minor, terms.currency)


async def _check_resource(transaction: Transaction, claim: _Claim) -> None:
    """Refuse what is paid already or is not what is left to pay; holds the resource until the transaction ends."""
    account, resource_type, resource_id, amount_minor, currency = claim
    if resource_type != INVOICE:
        await transaction.payments.lock_references([("resource", account, f"{resource_type}:{resource_id}")])
        if await transaction.payments.paid_for(account, resource_type, resource_id):
            raise Refused("the resource is paid already", code="already_paid", field="resource_id")
        return
    invoice = await transaction.manual_payments.get_invoice(account, resource_id)
    left_minor = invoice.amount_minor - await transaction.payments.paid_for(account, resource_type, resource_id)
    if left_minor <= 0:
        raise Refused(f"invoice {resource_id!r} is paid already", code="already_paid", field="resource_id")
    if (currency, amount_minor) != (invoice.currency, left_minor):
        raise Refused(
            f"invoice {resource_id!r} has {left_minor} {invoice.currency} left to pay",
            code="wrong_amount",
            field="amount_minor" if currency == invoice.currency else "currency",
        )


class RegisterInvoiceHandler(LocalHandler):
    """`register_invoice`: manual payments are checked against it. The same invoice again changes nothing."""

    async def prepare(self, transaction: Transaction, command: Any, now: datetime) -> Prepared:
        """Keep the invoice."""
        await require_account(transaction, command.account)
        check_currency(command.currency)
        await transaction.manual_payments.add_invoice(
            command.account, command.invoice_id, command.amount_minor, command.currency, now
        )
        return Prepared(gateway=GATEWAY, call=None, amount_minor=command.amount_minor)
