"""A payment's books as a set of named figures, read by the same statements from the live schema and from a shadow.

Only what follows from the set of a payment's facts is in it, and nothing that depends on the order in which they came:
postings are summed by cause and ledger account, settlement entries by cause and recipient, and an event is told by what
it says happened, without the sums and the status at that moment.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

Part = Literal["payment", "ledger", "settlement", "event", "refund", "dispute", "fact"]
Figure = tuple[Part, str]
"""Which part of the books, and the name of the figure in it."""
Books = dict[Figure, object]

_PARTS: Mapping[Part, TextClause] = {
    "payment": text(
        "select payments.id as payment_id, field.key as name, field.value::text as value from payments,"
        " jsonb_each(jsonb_build_object('status', status, 'authorized_minor', authorized_minor,"
        " 'captured_minor', captured_minor, 'refunded_minor', refunded_minor,"
        " 'refund_pending_minor', refund_pending_minor, 'disputed_minor', disputed_minor, 'paid_at', paid_at,"
        " 'refunded_at', refunded_at, 'failed_at', failed_at, 'failure_reason', failure_reason,"
        " 'receipt_url', receipt_url, 'event_count', event_sequence,"
        " 'steps', (select jsonb_agg(step order by step) from jsonb_array_elements(steps) as listed (step)))) as field"
        " where payments.id = any(:ids)"
    ),
    "ledger": text(
        "select payment_id, cause || ' ' || ledger_account || ' ' || posting.currency as name,"
        " sum(amount_minor)::text as value from ledger_transactions"
        " join ledger_postings posting on posting.transaction_id = ledger_transactions.id"
        " where payment_id = any(:ids) group by payment_id, cause, ledger_account, posting.currency"
        " having sum(amount_minor) <> 0"
    ),
    "settlement": text(
        "select payment_id, concat_ws(' ', cause, recipient_type || ':' || recipient_id, currency) as name,"
        " jsonb_build_object('gross_minor', sum(gross_minor), 'fee_minor', sum(fee_minor),"
        " 'net_minor', sum(net_minor))::text as value from settlement_entries where payment_id = any(:ids)"
        " group by payment_id, cause, recipient_type, recipient_id, currency"
        " having sum(gross_minor) <> 0 or sum(fee_minor) <> 0 or sum(net_minor) <> 0"
    ),
    "event": text(
        "select payment_id, type || ' ' || event_id as name, jsonb_build_object('type', payload -> 'type',"
        " 'account', payload -> 'account', 'gateway', payload -> 'gateway', 'reference', payload -> 'reference',"
        " 'amount_minor', payload -> 'amount_minor', 'currency', payload -> 'currency',"
        " 'payment_amount_minor', payload -> 'payment_amount_minor',"
        " 'resource_type', payload -> 'resource_type', 'resource_id', payload -> 'resource_id')::text as value"
        " from payment_events where payment_id = any(:ids)"
    ),
    "refund": text(
        "select payment_id, gateway || ' ' || reference as name, jsonb_build_object('status', status,"
        " 'amount_minor', amount_minor, 'currency', currency)::text as value from refunds where payment_id = any(:ids)"
    ),
    "dispute": text(
        "select payment_id, gateway || ' ' || reference as name, jsonb_build_object('status', status,"
        " 'amount_minor', amount_minor, 'currency', currency)::text as value from disputes where payment_id = any(:ids)"
    ),
}


async def read_books(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Books]:
    """Read the books of payments; of one that is not there, nothing."""
    found: dict[str, Books] = {payment_id: {} for payment_id in ids}
    for part, statement in _PARTS.items():
        for row in await connection.execute(statement, {"ids": list(ids)}):
            found[row.payment_id][part, row.name] = json.loads(row.value)
    return found
