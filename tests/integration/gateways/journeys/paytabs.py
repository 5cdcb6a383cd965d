"""PayTabs: the payer authorizes on PayTabs' page, and a command captures."""

from tests.gateways.paytabs import PROFILE_ID, SERVER_KEY
from tests.integration.gateways.journey import Journey

JOURNEY = Journey(
    gateway="paytabs",
    server="tests.gateways.paytabs",
    credentials=lambda url, callback_url: {
        "profile_id": PROFILE_ID,
        "server_key": SERVER_KEY,
        "region": "ARE",
        "callback_url": callback_url,
        "api_base": url,
    },
    amount_minor=15000,
    currency="AED",
    create={"manual_capture": True, "return_url": "https://shop.example/back"},
    captures=True,
    refund_minor=5000,
)
