"""Razorpay: orders, payments, refunds and disputes, through the official SDK."""
