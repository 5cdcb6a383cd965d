"""PayPal: orders, payments, disputes and saved payment methods, through its REST API."""
