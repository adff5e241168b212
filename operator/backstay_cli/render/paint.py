"""Colours for terminals, and spellings of times and durations.

Plain text wherever colour is off: a painted text without its paint is the same text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import IO

from backstay.api.quantities import timestamp_seconds


@dataclass(frozen=True, slots=True)
class Paint:
    """How to write for one stream: with colour or not, in which time zone (None: the machine's)."""

    colour: bool = False
    zone: tzinfo | None = None

    def heading(self, text: str) -> str:
        return self._wrap("1", text)

    def good(self, text: str) -> str:
        return self._wrap("32", text)

    def bad(self, text: str) -> str:
        return self._wrap("1;31", text)

    def warn(self, text: str) -> str:
        return self._wrap("33", text)

    def faint(self, text: str) -> str:
        return self._wrap("2", text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def time(self, moment: str | float | None) -> str:
        """As pcs writes it: Thu Jun  9 12:34:56 2022; "never" for nothing, the text itself where it is no time."""
        if moment is None or moment == "":
            return "never"
        try:
            seconds = timestamp_seconds(moment) if isinstance(moment, str) else moment
        except ValueError:
            return str(moment)
        local = datetime.fromtimestamp(seconds, UTC).astimezone(self.zone)
        return f"{local:%a %b} {local.day:2d} {local:%H:%M:%S %Y}"

    def clock(self, moment: str | None) -> str:
        """Time of day with milliseconds, for a course of events."""
        if not moment:
            return "--:--:--.---"
        local = datetime.fromtimestamp(timestamp_seconds(moment), UTC).astimezone(self.zone)
        return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def paint_for(stream: IO[str], environ: Mapping[str, str]) -> Paint:
    """Colour only on a terminal, and never where NO_COLOR or TERM=dumb asks for none."""
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return Paint(colour=stream.isatty() and not plain)


def age_text(seconds: float) -> str:
    """0.3 s, 42 s, 7 min, 3 h, 12 d."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def ms_text(ms: float | None) -> str:
    """417 ms, 2.35 s."""
    if ms is None:
        return "-"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def bracketed(names: Sequence[str]) -> str:
    """[ n1 n2 ], as pcs writes lists of nodes."""
    return f"[ {' '.join(names)} ]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns wide enough for their longest cell, two blanks apart, no trailing blanks."""
    everything = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in everything) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in everything
    ]
