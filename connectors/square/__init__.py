"""Square: orders, payments, refunds, disputes and cards on file, through the official SDK."""
