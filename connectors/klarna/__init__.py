"""Klarna: payments on its hosted page or in its widget, captured and refunded through its order management."""
