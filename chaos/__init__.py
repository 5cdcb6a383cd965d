"""Faults on purpose: the whole stack under load while its parts are killed, paused and cut off, and then a verdict."""
