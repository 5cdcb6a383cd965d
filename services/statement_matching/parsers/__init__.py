"""Readers of statement files. Each is pure: bytes in, lines out, or an error that names the line and the column."""
