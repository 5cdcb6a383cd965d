"""Adyen: sessions, payments, modifications, payment links and stored payment methods, through the official SDK."""
