"""Coinbase: charges of the closed Commerce product and checkouts of its successor, Coinbase Business."""
