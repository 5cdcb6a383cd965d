"""Gateways: one folder each, with the same file names. Start at `base.py`; docs/adding-a-connector.md leads through."""
