"""Statements of gateways and banks: read, stored, matched with our books, and what differs resolved by people."""
