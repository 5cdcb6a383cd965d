"""PesoPay's table of cases."""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from connectors.base import Capability
from connectors.pesopay.client import PesoPayConnector
from connectors.pesopay.registration import PesoPayCredentials
from domain.facts import FactKind, Trust
from tests.connectors.case import Delivery, Expected, GatewayCases, connects

ORDER, HELD_ORDER, ATTEMPT = "payment-1-N", "payment-1-H", "4000123"
NUMBERS = {"PHP": "608", "USD": "840", "JPY": "392", "HKD": "344"}
COVERED = ("src", "prc", "successcode", "Ref", "PayRef", "Cur", "Amt", "payerAuth")

_PROOF = re.compile(rb"&secureHash=[^&]*")


@dataclass(frozen=True, slots=True)
class FormProof:
    """The proof among the fields of a form."""

    def read(self, delivery: Delivery) -> str:
        """The field's value."""
        return parse_qs(delivery.body.decode(), keep_blank_values=True)["secureHash"][0]

    def write(self, delivery: Delivery, proof: str | None) -> Delivery:
        """Replace or drop the field."""
        rest = _PROOF.sub(b"", delivery.body)
        added = b"" if proof is None else b"&secureHash=" + quote(proof, safe="").encode()
        return replace(delivery, body=rest + added)

    def repeat(self, delivery: Delivery) -> Delivery:
        """Send the field twice."""
        return replace(delivery, body=delivery.body + b"&secureHash=" + self.read(delivery).encode())


def deliver(body: bytes, secret: str, _: datetime) -> Delivery:
    """AsiaPay's scheme: a plain hash over some fields and the secret. What is no datafeed goes without."""
    delivery = Delivery(body=body, headers=(("content-type", "application/x-www-form-urlencoded"),))
    if b"PayRef=" not in body:
        return delivery
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    message = "|".join([*(fields.get(name, "") for name in COVERED), secret])
    # AsiaPay's own default.
    return FormProof().write(delivery, hashlib.sha1(message.encode()).hexdigest())  # noqa: S324 - see above


def captured(amount: object, currency: str, payment_id: object = None) -> bytes:
    """An accepted payment of an order that is captured at once."""
    fields = {
        "src": "0",
        "prc": "0",
        "successcode": "0",
        "Ref": f"x{'0' * 32}-N" if payment_id is None else f"{payment_id}-N",
        "PayRef": ATTEMPT,
        "Cur": NUMBERS.get(currency, currency),
        "Amt": str(amount),
        "payerAuth": "U",
    }
    return urlencode(fields).encode()


def accepted(
    kind: FactKind = FactKind.CAPTURED, reference: str = ORDER, payment_id: str | None = "payment-1"
) -> Expected:
    return Expected(
        kind=kind,
        reference=reference,
        related=(ATTEMPT,),
        movement=ATTEMPT,
        amount_minor=15000,
        currency="PHP",
        payment_id=payment_id,
    )


def rejected(
    src: str, prc: str, reference: str = ORDER, attempt: str = ATTEMPT, payment_id: str | None = "payment-1"
) -> Expected:
    return Expected(
        kind=FactKind.ATTEMPT_FAILED,
        reference=reference,
        related=(attempt,),
        movement=attempt,
        payment_id=payment_id,
        reason=f"rejected with the codes {src} and {prc}",
    )


SAMPLES: dict[str, tuple[Expected, ...]] = {
    "accepted": (accepted(),),
    "accepted.hold": (accepted(FactKind.AUTHORIZED, HELD_ORDER),),
    "accepted.other_software": (replace(accepted(reference="ORDER-1", payment_id=None), trust=Trust.HINT),),
    "accepted.of_a_uuid": (
        accepted(reference="0b9fa2b5a2dd4c6a9a4b7d6d3b6f7a10-N", payment_id="0b9fa2b5-a2dd-4c6a-9a4b-7d6d3b6f7a10"),
    ),
    "accepted.of_a_digest": (accepted(reference=f"x{'0123456789abcdef' * 2}-N", payment_id=None),),
    "accepted.by_wallet": (accepted(),),
    "accepted.yen": (replace(accepted(), amount_minor=500, currency="JPY"),),
    "accepted.without_a_reference": (
        replace(accepted(reference=ATTEMPT, payment_id=None), related=(), trust=Trust.HINT),
    ),
    "rejected": (rejected("51", "1"),),
    "rejected.other_software": (rejected("-100", "3", reference="ORDER-1", payment_id=None),),
    "error": (rejected("999", "-8", attempt="4000124"),),
}

CASES = GatewayCases(
    gateway="pesopay",
    credentials={
        "merchant_id": "18000000",
        "secure_hash_secret": "S3cretHashKey0000000000000000001",
        "api_login_id": "apiuser",
        "api_password": "suite-api-password",
    },
    deliver=deliver,
    proof=FormProof(),
    covers="fields",
    secret_field="secure_hash_secret",
    previous_secret_field="previous_secure_hash_secret",
    samples=SAMPLES,
    sample_suffix=".txt",
    captured=captured,
    amount="12.00",
    amounts=(
        ("150.00", "PHP", 15000),
        ("150.0", "PHP", 15000),
        ("150", "PHP", 15000),
        ("0.01", "HKD", 1),
        ("500", "JPY", 500),
        ("500.00", "JPY", 500),
    ),
    refused_amounts=(
        ("-1.00", "PHP"),
        ("1.005", "PHP"),
        ("0.5", "JPY"),
        ("1,200.00", "PHP"),
        ("1e3", "PHP"),
        ("", "PHP"),
        ("one", "PHP"),
        ("1.00", "XXX"),
        ("1.00", "999"),
    ),
    unusable_payment_ids=("has spaces", "", "x" * 300, None),
    unmapped=None,
    event_time=lambda _: None,
    connect=connects(PesoPayCredentials, PesoPayConnector),
    payment_reference=HELD_ORDER,
    authorization_reference=ATTEMPT,
    capture_reference=ATTEMPT,
    error_body=lambda message: f"resultCode=-1&orderStatus=&errMsg={quote(message)}".encode(),
    read_forms=("actionType=Query",),
    before_capture=(
        b"<records><record><orderStatus>Authorized</orderStatus><ref>payment-1-H</ref><payRef>4000123</payRef>"
        b"<amt>12.00</amt><cur>840</cur></record></records>"
    ),
    without_a_call=frozenset({Capability.CREATES_ORDERS}),
)
