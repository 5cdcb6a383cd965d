"""What reconciliation found: cases for people, and movements of money that no callback had told of."""

from typing import Literal

from topics.message import AmountMinor, Currency, Identifier, Message, Name, Text, Timestamp

NOTICE_TYPE_PREFIX = "paystream.reconciliation."


class ReconciliationNotice(Message):
    """Something that somebody may have to look at.

    - `case_opened`, `case_resolved`: a case of `kind` (`command_unknown`, `payment_unreadable`, `orphan_not_adopted`)
      about the payment, the command, or the gateway's name of a payment in `provider_reference`.
    - `missing_webhook`: reading the payment back brought a `kind` of fact (`captured`, `refunded`) that no callback had
      brought by then; `movement_reference` and `amount_minor` say which, `occurred_at` when it happened.
    """

    id: Identifier
    type: Literal["case_opened", "case_resolved", "missing_webhook"]
    account: Name
    kind: str
    detail: Text
    occurred_at: Timestamp
    case_id: Identifier | None = None
    payment_id: Identifier | None = None
    command_id: Identifier | None = None
    gateway: Name | None = None
    provider_reference: Identifier | None = None
    movement_reference: Identifier | None = None
    amount_minor: AmountMinor | None = None
    currency: Currency | None = None
    resolved_by: str | None = None
