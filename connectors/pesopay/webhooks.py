"""AsiaPay's datafeeds: proven by the secure hash among their fields, then read as facts.

The hash covers what moves money and no more: not the time, nor anything about the payer. There is no time that could
grow stale, and no id: repeats are recognized by the payment reference and the success code. AsiaPay allows datafeeds
without a hash; here they are refused.
"""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import parse_qsl

from connectors.base import Callback
from connectors.callback_proofs import refuse_long, usable_secrets
from connectors.pesopay.answers import MOST_FIELDS, Record
from connectors.pesopay.hashes import is_hashed
from connectors.pesopay.orders import PayType, pay_type_of
from connectors.pesopay.registration import HashFunction
from connectors.pesopay.status import Source, facts_of_record, pay_ref_of
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, Trust

SECURE_HASH = "securehash"
COVERED = ("src", "prc", "successcode", "ref", "payref", "cur", "amt", "payerauth")
"""What the hash covers, in its order; names in small letters."""

_ACCEPTED = "0"


def verify_datafeed(callback: Callback, secrets: Sequence[str], function: HashFunction) -> Record:
    """Return the covered fields once one of the secrets proves them; nothing else is believed.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable = usable_secrets(secrets, "secure hash secret", "PesoPay")
    refuse_long(callback, "PesoPay")
    fields = _fields_of(callback.body)
    times = Counter(name for name, _ in fields)
    told = dict(fields)
    if times[SECURE_HASH] != 1 or not told[SECURE_HASH]:
        raise VerificationFailed("the field secureHash must come exactly once", code="signature_missing")
    if any(times[name] > 1 for name in COVERED):
        raise VerificationFailed("a field that the hash covers comes more than once", code="signature_invalid")
    values = [told.get(name, "") for name in COVERED]
    if not is_hashed(values, told[SECURE_HASH], usable, function):
        raise VerificationFailed("the secure hash of PesoPay does not match the fields", code="signature_invalid")
    return dict(zip(COVERED, values, strict=True))


def read_datafeed(proven: Record, callback: Callback) -> tuple[Fact, ...]:
    """Return the facts of a proven datafeed, at least one. Raises MalformedPayload when it cannot be read.

    Whether an accepted payment was captured is known of orders that were made here. Of any other, the datafeed is a
    hint, and the order API is asked.
    """
    code = proven["successcode"]
    if not code:
        raise MalformedPayload("there is no success code", field="successcode")
    pay_type = pay_type_of(proven["ref"])
    is_accepted = code == _ACCEPTED
    status = ("Authorized" if pay_type is PayType.HOLD else "Accepted") if is_accepted else "Rejected"
    source = Source(
        callback.account,
        event_id=f"{pay_ref_of(proven)}:{code[:20]}",
        received_at=callback.received_at,
        trust=Trust.HINT if is_accepted and pay_type is None else Trust.SIGNED,
    )
    return tuple(facts_of_record({**proven, "orderstatus": status}, source))


def _fields_of(body: bytes) -> list[tuple[str, str]]:
    # Names and texts of payers may be in any encoding; what the hash covers is ASCII, or it does not match.
    try:
        fields = parse_qsl(
            body.decode(errors="replace"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise VerificationFailed("the datafeed has too many fields", code="signature_invalid") from None
    return [(name.lower(), value) for name, value in fields]
