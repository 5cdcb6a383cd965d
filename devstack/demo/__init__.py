"""The demo: real callbacks of two gateways become payments, ledger, events and payout batches, and a proof of it."""
