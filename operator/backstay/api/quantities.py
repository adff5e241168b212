"""Durations, scores and timestamps as they are written in manifests.

Durations follow Pacemaker's spelling (``30s``, ``5min``, ``500ms``, ``1h``, a bare number of seconds, ISO 8601 ``PT1M30S``);
scores are integers clamped to +-INFINITY (1,000,000; "Pacemaker Explained", Scores). Anything else raises ``ValueError`` with a
message that names the accepted forms.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

INFINITY = 1_000_000

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
_SIMPLE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$", re.IGNORECASE)
_ISO = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")
DURATION_PATTERN = (
    r"^([0-9]+(\.[0-9]+)?(ms|msec|us|usec|s|sec|m|min|h|hr|d)?|"
    r"P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?)$"
)
SCORE_PATTERN = r"^[+-]?([0-9]+|INFINITY)$"


def duration_ms(text: str | int | float) -> int:
    """Milliseconds of a duration; a bare number is seconds. Raises ValueError for anything else."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return round(text * 1000)
    simple = _SIMPLE.match(str(text))
    if simple and simple.group(2).lower() in _UNITS_MS:
        unit = simple.group(2).lower()
        return round(float(simple.group(1)) * _UNITS_MS[unit])
    iso = _ISO.match(str(text).strip())
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return round(((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000)
    raise ValueError(f"{text!r} is not a duration; write for example 500ms, 30s, 5min, 1h or PT1M30S")


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
    if not re.match(SCORE_PATTERN, word):
        raise ValueError(f"{text!r} is not a score; write an integer, INFINITY or -INFINITY")
    sign = -1 if word.startswith("-") else 1
    digits = word.lstrip("+-")
    return sign * (INFINITY if digits == "INFINITY" else min(INFINITY, int(digits)))


def score_text(value: int) -> str:
    """INFINITY spelled out where the value reaches it."""
    if abs(value) >= INFINITY:
        return "INFINITY" if value > 0 else "-INFINITY"
    return str(value)


def timestamp(epoch_s: float) -> str:
    """RFC 3339 with microseconds, as metav1.MicroTime."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def timestamp_seconds(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 timestamp. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _checked_duration(value: str | int | float) -> str:
    duration_ms(value)
    return str(value)


def _checked_score(value: str | int) -> str | int:
    score_value(value)
    return value


def _checked_param(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, str)):
        return str(value)
    raise ValueError("a parameter is a string or an integer; for a secret use paramsFrom")


Duration = Annotated[
    str,
    BeforeValidator(_checked_duration),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": DURATION_PATTERN}),
]
"""A duration in a manifest: a bare integer means seconds."""

Score = Annotated[
    int | str,
    AfterValidator(_checked_score),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": SCORE_PATTERN}),
]
"""A score in a manifest: an integer, INFINITY or -INFINITY."""

ParamValue = Annotated[
    str, BeforeValidator(_checked_param), WithJsonSchema({"x-kubernetes-int-or-string": True})
]
"""An agent parameter: a string, or an integer that stands for its decimal digits."""

Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
