"""Durations, scores and timestamps as they are written in manifests.

Durations follow Pacemaker's spelling (``30s``, ``5min``, ``500ms``, ``1h``, a bare number of seconds, ISO 8601 ``PT1M30S``) and
are at most DURATION_MAX_MS; scores are integers clamped to +-INFINITY (1,000,000; "Pacemaker Explained", Scores). Anything else
raises ``ValueError``, and nothing but that, with a message that names the accepted forms.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from backstay.numerals import INFINITY, shortened, signed

DURATION_MAX_MS = 100 * 366 * 86_400_000
"""A hundred years: longer waits are typing mistakes, and dates overflow at the end of year 9999."""
DURATION_LENGTH_MAX = 32
SCORE_LENGTH_MAX = 20
PARAM_LENGTH_MAX = 65_536
"""Characters of a parameter's value: Linux passes at most 128 KiB in one variable of the environment."""
NUMBER_MAX = 2**53
"""The largest integer in a manifest: every JSON reader knows it exactly."""
TIMESTAMP_LENGTH_MAX = 64

_UNITS_MS = {
    "": 1000,
    "us": 0,
    "usec": 0,
    "ms": 1,
    "msec": 1,
    "s": 1000,
    "sec": 1000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "hr": 3_600_000,
    "d": 86_400_000,
}
_SIMPLE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$", re.IGNORECASE | re.ASCII)
_ISO = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$", re.ASCII)
DURATION_PATTERN = (
    r"^([0-9]+(\.[0-9]+)?(ms|msec|us|usec|s|sec|m|min|h|hr|d)?|"
    r"P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?)$"
)
SCORE_PATTERN = r"^[+-]?([0-9]+|INFINITY)$"
_SCORE = re.compile(r"[+-]?([0-9]+|INFINITY)")


def duration_ms(text: str | int | float) -> int:
    """Milliseconds of a duration; a bare number is seconds. Raises ValueError for anything else, and for what is longer than
    DURATION_MAX_MS."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if not 0 <= text <= DURATION_MAX_MS / 1000:  # false for NaN, too
            raise ValueError("a duration is between 0 and 100 years")
        return round(text * 1000)
    milliseconds = _written_ms(str(text))
    if milliseconds is None:
        raise ValueError(
            f"{shortened(text)!r} is not a duration; write for example 500ms, 30s, 5min, 1h or PT1M30S"
        )
    if not milliseconds <= DURATION_MAX_MS:
        raise ValueError(f"{shortened(text)!r} is longer than 100 years")
    return round(milliseconds)


def _written_ms(text: str) -> float | None:
    """None for what is no duration; may be infinite."""
    simple = _SIMPLE.match(text)
    if simple and simple.group(2).lower() in _UNITS_MS:
        return _times(float(simple.group(1)), _UNITS_MS[simple.group(2).lower()])
    iso = _ISO.match(text.strip())
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000
    return None


def _times(count: float, size: int) -> float:
    """Microseconds have size 0, and infinity times 0 is no number."""
    return count * size if math.isfinite(count) else math.inf


def duration_text(ms: int) -> str:
    """The shortest exact spelling of a duration: ``30s``, ``1min``, ``500ms``."""
    if ms % 1000:
        return f"{ms}ms"
    seconds = ms // 1000
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def score_value(text: str | int) -> int:
    """A score as an integer in [-INFINITY, INFINITY]. Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool):
        return max(-INFINITY, min(INFINITY, text))
    word = str(text).strip()
    if not _SCORE.fullmatch(word):
        raise ValueError(f"{shortened(text)!r} is not a score; write an integer, INFINITY or -INFINITY")
    if word.endswith("INFINITY"):
        return -INFINITY if word.startswith("-") else INFINITY
    return max(-INFINITY, min(INFINITY, signed(word) or 0))


def score_text(value: int) -> str:
    """INFINITY spelled out where the value reaches it."""
    if abs(value) >= INFINITY:
        return "INFINITY" if value > 0 else "-INFINITY"
    return str(value)


def timestamp(epoch_s: float) -> str:
    """RFC 3339 with microseconds, as metav1.MicroTime."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def timestamp_seconds(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 timestamp or ISO 8601 date; without an offset it is UTC. Raises ValueError."""
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{shortened(text)!r} is not a time; write for example 2026-01-31T12:00:00Z"
        ) from None


def _checked_duration(value: str | int | float) -> str:
    duration_ms(value)
    return str(value)


def _checked_timestamp(value: str) -> str:
    timestamp_seconds(value)
    return value


def _checked_score(value: str | int) -> str | int:
    score_value(value)
    return value


def _checked_param(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)) and not abs(value) <= NUMBER_MAX:
        raise ValueError("a number beyond 2^53 loses digits; write it in quotes")
    if isinstance(value, (int, float, str)):
        return str(value)
    raise ValueError("a parameter is a string or an integer; for a secret use paramsFrom")


Duration = Annotated[
    str,
    StringConstraints(max_length=DURATION_LENGTH_MAX),
    BeforeValidator(_checked_duration),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "pattern": DURATION_PATTERN,
            "maxLength": DURATION_LENGTH_MAX,
            "minimum": 0,
            "maximum": DURATION_MAX_MS // 1000,
        }
    ),
]
"""A duration in a manifest: a bare integer means seconds."""

Score = Annotated[
    int | str,
    AfterValidator(_checked_score),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "pattern": SCORE_PATTERN,
            "maxLength": SCORE_LENGTH_MAX,
            "minimum": -NUMBER_MAX,
            "maximum": NUMBER_MAX,
        }
    ),
]
"""A score in a manifest: an integer, INFINITY or -INFINITY."""

ParamValue = Annotated[
    str,
    StringConstraints(max_length=PARAM_LENGTH_MAX),
    BeforeValidator(_checked_param),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": PARAM_LENGTH_MAX,
            "minimum": -NUMBER_MAX,
            "maximum": NUMBER_MAX,
        }
    ),
]
"""An agent parameter: a string, or an integer that stands for its decimal digits."""

Timestamp = Annotated[
    str,
    StringConstraints(max_length=TIMESTAMP_LENGTH_MAX),
    AfterValidator(_checked_timestamp),
    Field(json_schema_extra={"format": "date-time"}),
]
"""RFC 3339, UTC."""
