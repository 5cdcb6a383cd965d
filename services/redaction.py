"""What may be shown of a callback's headers and address: names, and only values that can prove nothing to anybody."""

from collections.abc import Iterable

REDACTED = "[redacted]"
MAX_VALUE_LENGTH = 500

HARMLESS_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "host",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""Everything else is kept back: each gateway puts its signature, its token or its password where it likes."""


def shown_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """HTTP headers by name, with the values that are harmless."""
    return tuple(
        (shown_text(name), shown_text(value) if name.lower() in HARMLESS_HEADERS else REDACTED) for name, value in pairs
    )


def shown_path(target: str) -> str:
    """A request's path; its query string may hold tokens and is left out."""
    path, separator, _ = target.partition("?")
    return shown_text(path) + (f"?{REDACTED}" if separator else "")


def shown_text(value: str) -> str:
    """Text of others, of a bounded length."""
    return value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}…"
