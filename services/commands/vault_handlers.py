"""Handlers of mandates, saved payment methods and payment links."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from connectors.base import (
    Capability,
    ChargesMandates,
    CreatesPaymentLinks,
    GatewayAnswer,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    PaymentLinkAnswer,
    PaymentLinkRequest,
    PaymentMethodRequest,
    SetsUpMandates,
    StoredPaymentMethod,
    StoresPaymentMethods,
)
from domain.errors import AmountExceeded, InvalidInput, InvariantViolated, NotFound, OperationNotAllowed
from services.commands.payment_handlers import own_payment, require_account, take_in_answer
from services.commands.prepared import Prepared
from services.create_payment import create_payment
from services.gateway_calls import GatewayCall, check_capability
from storage.commands import CommandRow
from storage.payments import PaymentRecord
from storage.unit_of_work import Transaction
from topics.commands import CancelPaymentLink, ChargeMandate, CreatePaymentLink, SavePaymentMethod, SetupMandate

LONGEST_LINK = timedelta(days=3_650)


class SetupMandateHandler:
    """`setup_mandate`."""

    async def prepare(self, transaction: Transaction, command: SetupMandate, now: datetime) -> Prepared:
        """Record the mandate as started."""
        check_capability(command.gateway, Capability.SETS_UP_MANDATES, command.kind, currency=command.currency)
        await require_account(transaction, command.account)
        await transaction.vault.start_mandate(
            now,
            id=command.mandate_id,
            account=command.account,
            gateway=command.gateway,
            customer_id=command.customer_id,
            currency=command.currency,
            max_amount_minor=command.max_amount_minor,
            status="started",
        )
        return self._prepared(command)

    async def resume(self, transaction: Transaction, command: SetupMandate, known: CommandRow) -> Prepared:
        """Ask again, with the same key."""
        return self._prepared(command)

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Keep the gateway's tokens."""
        if not isinstance(answer, MandateAnswer):
            raise InvariantViolated("setting up a mandate brings a mandate")
        await transaction.vault.update_mandate(
            prepared.details["mandate_id"],
            now,
            status=answer.status,
            provider_reference=answer.provider_reference,
            customer_reference=answer.customer_reference,
            payment_method_reference=answer.payment_method_reference,
        )
        return {**answer.client_parameters, "mandate_status": answer.status}

    @staticmethod
    def _prepared(command: SetupMandate) -> Prepared:
        request = MandateRequest(
            mandate_id=command.mandate_id,
            account=command.account,
            idempotency_key=command.command_id,
            customer_id=command.customer_id,
            currency=command.currency,
            payment_method_token=command.payment_method_token,
            max_amount_minor=command.max_amount_minor,
            return_url=command.return_url,
        )
        call = GatewayCall(SetsUpMandates, lambda connector: connector.setup_mandate(request))
        return Prepared(gateway=command.gateway, call=call, details={"mandate_id": command.mandate_id})


class ChargeMandateHandler:
    """`charge_mandate`: makes a payment and charges it without the customer."""

    async def prepare(self, transaction: Transaction, command: ChargeMandate, now: datetime) -> Prepared:
        """Check the mandate and record the payment."""
        mandate = await transaction.vault.get_mandate(command.account, command.mandate_id)
        if mandate is None:
            raise NotFound(f"account {command.account!r} has no mandate {command.mandate_id!r}", field="mandate_id")
        if mandate.status not in {"active", "pending"}:
            raise OperationNotAllowed(f"the mandate is {mandate.status} and cannot be charged", field="mandate_id")
        if mandate.currency != command.currency:
            raise InvalidInput(f"the mandate is for {mandate.currency}", field="currency")
        if mandate.max_amount_minor is not None and command.amount_minor > mandate.max_amount_minor:
            raise AmountExceeded(f"the mandate allows at most {mandate.max_amount_minor}", field="amount_minor")
        check_capability(mandate.gateway, Capability.CHARGES_MANDATES, command.kind, currency=command.currency)
        payment = await create_payment(transaction, command, gateway=mandate.gateway, now=now)
        return await self._prepared(transaction, command, payment)

    async def resume(self, transaction: Transaction, command: ChargeMandate, known: CommandRow) -> Prepared:
        """Ask again, with the same key."""
        return await self._prepared(transaction, command, await own_payment(transaction, command))

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Take in the payment's facts."""
        if prepared.payment is None or not isinstance(answer, GatewayAnswer):
            raise InvariantViolated("a charge brings facts about a payment")
        return await take_in_answer(transaction, prepared.payment, answer, now)

    @staticmethod
    async def _prepared(transaction: Transaction, command: ChargeMandate, payment: PaymentRecord) -> Prepared:
        mandate = await transaction.vault.get_mandate(command.account, command.mandate_id)
        if mandate is None:
            raise InvariantViolated(f"mandate {command.mandate_id!r} is gone")
        request = MandateChargeRequest(
            payment_id=payment.id,
            account=command.account,
            idempotency_key=command.command_id,
            amount_minor=command.amount_minor,
            currency=command.currency,
            mandate_reference=mandate.provider_reference or "",
            customer_reference=mandate.customer_reference,
            payment_method_reference=mandate.payment_method_reference,
            description=command.description,
        )
        call = GatewayCall(ChargesMandates, lambda connector: connector.charge_mandate(request))
        return Prepared(gateway=payment.terms.gateway, call=call, payment=payment, amount_minor=command.amount_minor)


class SavePaymentMethodHandler:
    """`save_payment_method`."""

    async def prepare(self, transaction: Transaction, command: SavePaymentMethod, now: datetime) -> Prepared:
        """Record the method as started."""
        check_capability(command.gateway, Capability.STORES_PAYMENT_METHODS, command.kind)
        await require_account(transaction, command.account)
        await transaction.vault.start_payment_method(
            now,
            id=command.payment_method_id,
            account=command.account,
            gateway=command.gateway,
            customer_id=command.customer_id,
            status="started",
        )
        return self._prepared(command)

    async def resume(self, transaction: Transaction, command: SavePaymentMethod, known: CommandRow) -> Prepared:
        """Ask again, with the same key."""
        return self._prepared(command)

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Keep the gateway's token and what a person may see of the method."""
        if not isinstance(answer, StoredPaymentMethod):
            raise InvariantViolated("saving a payment method brings one")
        await transaction.vault.update_payment_method(
            prepared.details["payment_method_id"],
            now,
            status="active",
            provider_reference=answer.provider_reference,
            customer_reference=answer.customer_reference,
            kind=answer.kind,
            brand=answer.brand,
            last_four=answer.last_four,
            expires=answer.expires,
        )
        shown = {"kind": answer.kind, "brand": answer.brand, "last_four": answer.last_four, "expires": answer.expires}
        return {name: value for name, value in shown.items() if value is not None}

    @staticmethod
    def _prepared(command: SavePaymentMethod) -> Prepared:
        request = PaymentMethodRequest(
            account=command.account,
            idempotency_key=command.command_id,
            customer_id=command.customer_id,
            token=command.token,
        )
        call = GatewayCall(StoresPaymentMethods, lambda connector: connector.store_payment_method(request))
        return Prepared(gateway=command.gateway, call=call, details={"payment_method_id": command.payment_method_id})


class CreatePaymentLinkHandler:
    """`create_payment_link`: makes the payment that the link is for."""

    async def prepare(self, transaction: Transaction, command: CreatePaymentLink, now: datetime) -> Prepared:
        """Record payment and link."""
        gateway = command.gateway
        check_capability(gateway, Capability.CREATES_PAYMENT_LINKS, command.kind, currency=command.currency)
        if command.expires_at is not None and command.expires_at <= now:
            raise InvalidInput("the link would be expired already", field="expires_at")
        if command.expires_at is not None and command.expires_at > now + LONGEST_LINK:
            raise InvalidInput(f"a link lives at most {LONGEST_LINK.days} days", field="expires_at")
        payment = await create_payment(transaction, command, gateway=gateway, now=now)
        await transaction.vault.start_link(
            now,
            payment_id=payment.id,
            account=command.account,
            gateway=gateway,
            status="started",
            reusable=command.reusable,
            expires_at=command.expires_at,
        )
        return self._prepared(command, payment)

    async def resume(self, transaction: Transaction, command: CreatePaymentLink, known: CommandRow) -> Prepared:
        """Ask again, with the same key."""
        return self._prepared(command, await own_payment(transaction, command))

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Keep the link's address."""
        if prepared.payment is None or not isinstance(answer, PaymentLinkAnswer):
            raise InvariantViolated("creating a link brings a link")
        await transaction.vault.update_link(
            prepared.payment.id, now, status="active", provider_reference=answer.provider_reference, url=answer.url
        )
        return {"url": answer.url}

    @staticmethod
    def _prepared(command: CreatePaymentLink, payment: PaymentRecord) -> Prepared:
        request = PaymentLinkRequest(
            payment_link_id=command.payment_id,
            payment_id=command.payment_id,
            account=command.account,
            idempotency_key=command.command_id,
            amount_minor=command.amount_minor,
            currency=command.currency,
            description=command.description or command.resource_id,
            expires_at=command.expires_at,
            reusable=command.reusable,
        )
        call = GatewayCall(CreatesPaymentLinks, lambda connector: connector.create_payment_link(request))
        return Prepared(gateway=command.gateway, call=call, payment=payment, amount_minor=command.amount_minor)


class CancelPaymentLinkHandler:
    """`cancel_payment_link`."""

    async def prepare(self, transaction: Transaction, command: CancelPaymentLink, now: datetime) -> Prepared:
        """Find the link; one that is cancelled already is done."""
        payment = await own_payment(transaction, command)
        link = await transaction.vault.get_link(command.account, command.payment_id)
        if link is None or link.provider_reference is None:
            raise NotFound(f"payment {command.payment_id!r} has no link", field="payment_id")
        if link.status == "cancelled":
            return Prepared(gateway=link.gateway, call=None, payment=payment)
        return self._prepared(payment, link.provider_reference)

    async def resume(self, transaction: Transaction, command: CancelPaymentLink, known: CommandRow) -> Prepared:
        """Cancel again; that has no second effect."""
        payment = await own_payment(transaction, command)
        link = await transaction.vault.get_link(command.account, command.payment_id)
        if link is None or link.provider_reference is None:
            raise InvariantViolated(f"the link of payment {payment.id} is gone")
        return self._prepared(payment, link.provider_reference)

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Mark the link cancelled."""
        if prepared.payment is None:
            raise InvariantViolated("a link belongs to a payment")
        await transaction.vault.update_link(prepared.payment.id, now, status="cancelled")
        return {}

    @staticmethod
    def _prepared(payment: PaymentRecord, provider_reference: str) -> Prepared:
        call = GatewayCall(CreatesPaymentLinks, lambda connector: connector.cancel_payment_link(provider_reference))
        return Prepared(gateway=payment.terms.gateway, call=call, payment=payment)
