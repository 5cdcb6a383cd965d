"""Record a new payment, and the event that says so, before its gateway is asked for anything."""

from datetime import datetime

from domain.errors import CommandConflict, InvalidInput, NotFound
from domain.events import Milestone
from domain.fees import BASIS
from domain.money import allocate
from domain.payment import PaymentState, PaymentTerms, Split, status_of
from services.messages import payment_event
from services.settlement_rules import fee_terms
from storage.payments import PaymentRecord
from storage.unit_of_work import Transaction
from topics.commands import CreatePayment, NewPayment, SubmitManualPayment

CREATED = Milestone(0, "payment.created", "", 0)


async def create_payment(
    transaction: Transaction,
    command: NewPayment,
    *,
    gateway: str,
    now: datetime,
    manual_capture: bool = False,
    awaiting_approval: bool = False,
) -> PaymentRecord:
    """Insert the payment, with the fees that count for it now frozen in its terms.

    Raises NotFound without the account, InvalidInput when splits do not fit the amount.
    """
    account = await transaction.accounts.get(command.account)
    if account is None:
        raise NotFound(f"there is no account {command.account!r}", field="account")
    fees = await fee_terms(
        transaction, account, gateway=gateway, method=method_of(command), currency=command.currency, at=now
    )
    state = PaymentState(awaiting_approval=awaiting_approval)
    payment = PaymentRecord(
        terms=PaymentTerms(
            payment_id=command.payment_id,
            account=command.account,
            gateway=gateway,
            amount_minor=command.amount_minor,
            currency=command.currency,
            splits=splits_of(command),
            fee_basis_points=fees.basis_points,
            fee_fixed_minor=fees.fixed_minor,
            fee_min_minor=fees.min_minor,
            fee_max_minor=fees.max_minor,
            fee_on_refund=fees.on_refund,
        ),
        state=state,
        status=status_of(state),
        resource_type=command.resource_type,
        resource_id=command.resource_id,
        user_id=command.user_id,
        user_name=command.user_name,
        description=command.description,
        manual_capture=manual_capture,
        metadata=command.metadata,
        event_sequence=1,
        changed_by=command.actor,
        request_id=command.command_id,
        created_at=now,
    )
    if not await transaction.payments.insert(payment):
        raise CommandConflict(f"the payment id {command.payment_id!r} is taken", field="payment_id")
    message, row = payment_event(payment, CREATED, 1, now)
    await transaction.movements.add_events([row], now)
    await transaction.outbox.add([message])
    return payment


def method_of(command: NewPayment) -> str | None:
    """The payment method, where it is known before the payer chooses one."""
    if isinstance(command, CreatePayment):
        return command.payment_method
    return command.method if isinstance(command, SubmitManualPayment) else None


def splits_of(command: NewPayment) -> tuple[Split, ...]:
    """The partners' parts, and the rest for the tenant. The weights sum to the payment's amount."""
    names = [(part.recipient_type, part.recipient_id) for part in command.splits]
    if len(set(names)) != len(names):
        raise InvalidInput("a recipient is named twice in the splits", field="splits")
    by_share = _shares(command)
    # Of a small amount a small share may come to nothing.
    parts = [
        Split(part.recipient_type, part.recipient_id, minor)
        for part, share in zip(command.splits, by_share, strict=True)
        if (minor := share if part.amount_minor is None else part.amount_minor)
    ]
    rest = command.amount_minor - sum(part.weight for part in parts)
    if rest < 0:
        raise InvalidInput("the splits are more than the amount", field="splits")
    if rest:
        if ("tenant", command.account) in names:
            raise InvalidInput("the tenant's own part is what the splits leave over", field="splits")
        parts.append(Split("tenant", command.account, rest))
    return tuple(parts)


def _shares(command: NewPayment) -> tuple[int, ...]:
    """What each part's share of the whole amount comes to, in minor units; 0 for parts that are amounts."""
    shares = [part.share_basis_points or 0 for part in command.splits]
    if sum(shares) > BASIS:
        raise InvalidInput("the shares are more than the whole", field="splits")
    return allocate(command.amount_minor, [*shares, BASIS - sum(shares)])[:-1]
