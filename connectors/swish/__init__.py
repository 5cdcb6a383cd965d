"""Swish: payments from account to account by the payer's mobile app, in Sweden."""
