"""What a payer does on a hosted page: begin at the gateway, come back, try again. The payer has no key and no account.

Everything here runs as commands of the page's account, with ids derived from the page: what is clicked twice, or sent
again by a browser, is one command. How often a gateway is asked for one page is bounded by the clock.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from connectors.base import Capability
from connectors.registry import get_registration
from domain.errors import GatewayUnavailable
from domain.operations import OPERATIONS, Operation
from domain.payment import Status
from services.available_methods import is_paid_by_hand
from services.checkout_pages import MAX_ATTEMPTS, attempt_ids, latest_attempt
from services.commands.runner import CommandRunner
from services.payment_intents import NextStep, next_step
from storage.checkout_pages import CheckoutPage, CheckoutPages
from storage.payments import PaymentRecord
from storage.unit_of_work import Database
from topics.commands import CommandResult, PaymentCommand

PAYER = "payer"
"""Who acts, as the audit log says it."""

ASK_AGAIN_SECONDS = 5
"""A gateway is asked how a page's payment stands at most this often."""

MAX_REFUSED_ORDERS = 20

_NAMESPACE = uuid.UUID("a3a7b6a6-2f0a-4b0e-9d1c-3c1f2f0b6d54")
_MAY_STILL_CHANGE = frozenset({Status.PENDING, Status.PROCESSING})


@dataclass(frozen=True, slots=True)
class Begun:
    """What came of a payer's click: where to go next, that nobody knows yet, or that it could not be begun."""

    outcome: Literal["begun", "unknown", "failed"]
    step: NextStep = field(default_factory=NextStep)


class CheckoutFlow:
    """The flow of one page. The database and the runner are those of the page's account."""

    def __init__(
        self, database: Database, runner: CommandRunner, clock: Callable[[], datetime], page: CheckoutPage
    ) -> None:
        self._database = database
        self._runner = runner
        self._clock = clock
        self._page = page

    async def begin(self, return_url: str) -> Begun:
        """Set the payment up at its gateway, once, and say where the payer goes now.

        A payment that has failed is followed by another one, after its gateway was asked whether it really has. Nothing
        is done for a payment that is not to be paid any more.
        """
        payment, attempts = await latest_attempt(self._database, self._page)
        if payment.status is Status.FAILED and attempts < MAX_ATTEMPTS:
            if not await self._is_confirmed(payment):
                return Begun("unknown")
            payment, attempts = await latest_attempt(self._database, self._page)
            if payment.status is Status.FAILED:
                payment = await self._follow(payment, attempts)
        if payment.status is not Status.PENDING or is_paid_by_hand(get_registration(payment.terms.gateway)):
            return Begun("begun")
        refused = await self._refused_orders(payment)
        if refused >= MAX_REFUSED_ORDERS:
            return Begun("failed")
        # A definite no ends its command: the next click is another one.
        result = await self._run("create_order", payment, "order", payment.id, str(refused), return_url=return_url)
        if result.outcome == "succeeded":
            return Begun("begun", next_step(result.client_parameters))
        return Begun("unknown" if result.outcome == "unknown" else "failed")

    async def verify(self, parameters: Mapping[str, str]) -> None:
        """Take in what the payer's browser brought back, where the gateway's connector can prove it.

        Whatever does not hold is passed over: `refresh` asks the gateway.
        """
        payment, _ = await latest_attempt(self._database, self._page)
        registration = get_registration(payment.terms.gateway)
        if (
            payment.provider_reference is not None
            and registration.has(Capability.VERIFIES_REDIRECTS)
            and payment.status in OPERATIONS[Operation.VERIFY_REDIRECT]
        ):
            try:
                name = ("verify", payment.id, self._period())
                await self._run("verify_redirect", payment, *name, parameters=dict(parameters))
            except ValidationError:
                # What no command takes proves nothing. Its content is not ours to keep, or to log.
                return

    async def refresh(self) -> None:
        """Ask the gateway how the payment stands, if that may still change."""
        payment, _ = await latest_attempt(self._database, self._page)
        if payment.status in _MAY_STILL_CHANGE:
            await self._sync(payment)

    async def _is_confirmed(self, failed: PaymentRecord) -> bool:
        """Whether the gateway, asked once more, has said how a failed payment stands: it may have come in late."""
        result = await self._sync(failed)
        return result is None or result.outcome == "succeeded"

    async def _sync(self, payment: PaymentRecord) -> CommandResult | None:
        can_ask = get_registration(payment.terms.gateway).has(Capability.FETCHES_STATUS)
        if payment.provider_reference is None or not can_ask:
            return None
        return await self._run("sync", payment, "sync", payment.id, self._period())

    async def _follow(self, failed: PaymentRecord, attempts: int) -> PaymentRecord:
        """Make the payment that follows a failed one: the same in everything but its id."""
        terms = failed.terms
        await self._run(
            "create_payment",
            failed,
            "payment",
            str(attempts),
            payment_id=attempt_ids(self._page.payment_id)[attempts],
            gateway=terms.gateway,
            amount_minor=terms.amount_minor,
            currency=terms.currency,
            resource_type=failed.resource_type,
            resource_id=failed.resource_id,
            user_id=failed.user_id,
            user_name=failed.user_name,
            description=failed.description,
            metadata=failed.metadata,
            manual_capture=failed.manual_capture,
            set_up_at_gateway=False,
            splits=[
                {"recipient_type": part.recipient_type, "recipient_id": part.recipient_id, "amount_minor": part.weight}
                for part in terms.splits
                if (part.recipient_type, part.recipient_id) != ("tenant", terms.account)
            ],
        )
        payment, _ = await latest_attempt(self._database, self._page)
        return payment

    async def _refused_orders(self, payment: PaymentRecord) -> int:
        async with self._database.transaction() as transaction:
            pages = CheckoutPages(transaction.connection)
            return await pages.refused_orders(self._page.account, payment.id, PAYER)

    async def _run(
        self,
        kind: str,
        payment: PaymentRecord,
        *name: str,
        **values: Any,  # noqa: ANN401 - fields of a command
    ) -> CommandResult:
        """Run a command of the page; its id is the same for the same name."""
        said = ":".join((self._page.digest.hex(), *name))
        content = {
            "kind": kind,
            "command_id": f"checkout_{uuid.uuid5(_NAMESPACE, said).hex}",
            "account": self._page.account,
            "payment_id": payment.id,
            "requested_at": self._clock(),
            "actor": PAYER,
            **values,
        }
        command = PaymentCommand.model_validate({"command": content}).command
        try:
            return await self._runner.run(command)
        except GatewayUnavailable as error:
            return await self._runner.give_up(command, error)

    def _period(self) -> str:
        return str(int(self._clock().timestamp() // ASK_AGAIN_SECONDS))
