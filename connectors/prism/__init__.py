"""Prism: a bridge to the payment processors of an SDK that others maintain, installed as an extra."""
