"""Whole numbers in text that anybody may have written: node attributes, ids in histories, annotations, CIBs.

`int()` is no parser for such text. `str.isdigit()` accepts "²", which `int()` refuses; `int()` accepts digits of
every script, and refuses more than 4,300 of them; and a number of 400 digits has no float. Here a number is
ASCII digits, and saturates at LARGEST.
"""

from __future__ import annotations

import math

INFINITY = 1_000_000
"""Of scores: a finite number, as in Pacemaker."""

LARGEST = 2**63 - 1
"""The largest number that is read exactly, as C's strtoll does it. Larger ones count as this one."""
_EXACT_DIGITS = 18


def whole(text: str) -> int | None:
    """The number that ASCII digits spell, at most LARGEST; None for any other text. Never raises."""
    if not (text.isascii() and text.isdecimal()):
        return None
    significant = text.lstrip("0")
    return int(significant or "0") if len(significant) <= _EXACT_DIGITS else LARGEST


def signed(text: str) -> int | None:
    """As `whole`, with an optional sign in front."""
    number = whole(text[1:] if text[:1] in ("+", "-") else text)
    return -number if number is not None and text.startswith("-") else number


def attribute_score(text: str) -> int | None:
    """The score that a node attribute holds, clamped; a fraction is cut off; None for what is no number. Never raises."""
    word = text.strip().upper()
    if word.lstrip("+-") == "INFINITY":
        return -INFINITY if word.startswith("-") else INFINITY
    number = signed(word)
    if number is None:
        try:
            value = float(word)
        except ValueError:
            return None
        if math.isnan(value):
            return None
        return int(max(-INFINITY, min(INFINITY, value)))
    return max(-INFINITY, min(INFINITY, number))


def shortened(text: object) -> str:
    """A value as a message quotes it."""
    words = str(text)
    return words if len(words) <= 64 else f"{words[:61]}..."
