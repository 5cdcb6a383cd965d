"""Rebuild the books from raw callbacks in a shadow and compare; or put callbacks back onto the live topic."""
