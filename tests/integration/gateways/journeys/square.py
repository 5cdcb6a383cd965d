"""Square: the payer's client makes a token; the payment is authorized with it, and captured by a command."""

from tests.gateways.square_shop import credentials_at
from tests.gateways.square_state import GOOD
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="square",
    server="tests.gateways.square",
    credentials=credentials_at,
    amount_minor=1200,
    currency="USD",
    create={"manual_capture": True},
    token=GOOD,
    captures=True,
    refund_minor=500,
)
