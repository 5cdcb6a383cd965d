"""Stripe: payment intents, charges, refunds and disputes, through the official SDK."""
