"""Acmepay: orders paid on its page, refunds, and signed callbacks, over its API."""
