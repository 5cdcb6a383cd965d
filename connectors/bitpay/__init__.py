"""BitPay: invoices priced in fiat and paid in cryptocurrencies, and their refunds."""
