"""Payments that people make and other people confirm: bank transfers, local wallets, checks and money orders."""
