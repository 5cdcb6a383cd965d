"""PhonePe, version 2 of its payment gateway: hosted checkout, refunds and UPI Autopay, over HTTP without its SDK."""
