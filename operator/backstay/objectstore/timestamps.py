"""Timestamps as the API writes them. `now` is always Unix seconds, handed in; nothing here reads a clock."""

from datetime import UTC, datetime


def rfc3339(now: float) -> str:
    """metav1.Time: whole seconds, `2026-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(now: float) -> str:
    """metav1.MicroTime: six digits, `2026-01-31T12:00:00.123456Z`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix_seconds(text: str) -> float | None:
    """The time a timestamp of the API stands for, or None when it is not one."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if parsed.tzinfo is None:
        return None
    return parsed.timestamp()
