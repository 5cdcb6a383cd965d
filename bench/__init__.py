"""Benchmarks: every speed is a ratio against a baseline that runs in the same minutes on the same machine."""
