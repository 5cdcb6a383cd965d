"""The customers of the demo at Stripe: they pay intents through the Stripe SDK, at the local Stripe server."""

import json
import time

import httpx
import stripe

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
"""Stripe's test card that can be put to an intent and is then declined."""


class StripeCustomers:
    """Pays and fails to pay at one Stripe account."""

    def __init__(self, api_base: str, secret_key: str) -> None:
        self.client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base},
            max_network_retries=0,
            http_client=stripe.HTTPXClient(timeout=20.0),
        )

    async def pay(self, payment_intent_id: str, card_number: str = GOOD_CARD) -> bool:
        """Put a card to the intent and confirm it; False when the card is declined."""
        year = time.gmtime().tm_year + 3
        method = await self.client.v1.payment_methods.create_async(
            {"type": "card", "card": {"number": card_number, "exp_month": 12, "exp_year": year, "cvc": "123"}}
        )
        await self.client.v1.payment_intents.update_async(payment_intent_id, {"payment_method": method.id})
        try:
            await self.client.v1.payment_intents.confirm_async(payment_intent_id)
        except stripe.CardError:
            return False
        return True


async def register_webhook(http: httpx.AsyncClient, api_base: str, secret_key: str, url: str, secret: str) -> None:
    """Tell the local Stripe server where to post its webhooks and how to sign them."""
    response = await http.post(
        f"{api_base}/_config/webhooks/demo", data={"url": url, "secret": secret}, auth=(secret_key, "")
    )
    response.raise_for_status()


def forged_event(number: int) -> bytes:
    """What a thief would post: a success for a payment that he did not make."""
    intent = {"id": f"pi_forged_{number}", "object": "payment_intent", "amount": 999_900, "amount_received": 999_900}
    intent |= {"currency": "usd", "status": "succeeded", "latest_charge": f"ch_forged_{number}"}
    event = {"id": f"evt_forged_{number}", "object": "event", "created": int(time.time()), "livemode": False}
    event |= {"type": "payment_intent.succeeded", "data": {"object": intent}}
    return json.dumps(event).encode()


def signature_header(secret: str, body: bytes, timestamp: int) -> str:
    """The header Stripe would send, by the SDK's own function."""
    signed = f"{timestamp}.{body.decode()}"
    return f"t={timestamp},v1={stripe.WebhookSignature._compute_signature(signed, secret)}"  # noqa: SLF001
