"""Reconciliation: read payments back, settle commands of unknown outcome, adopt unknown payments, open cases."""
