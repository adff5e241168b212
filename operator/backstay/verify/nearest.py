"""The name that was probably meant: for messages that tell the fix with the fault."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SIMILAR = 0.6
LISTED_MAX = 8


def nearest(word: str, known: Iterable[str]) -> str:
    """The most similar of the known names, empty when none is similar. Capitals don't count."""
    by_folded = {name.casefold(): name for name in sorted(known)}
    found = get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=SIMILAR)
    return by_folded[found[0]] if found else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'ip'?`, or nothing."""
    name = nearest(word, known)
    return f"; did you mean {name!r}?" if name else ""


def listed(names: Iterable[str]) -> str:
    """A list that stays readable: the first few, and how many more."""
    every = sorted(names)
    more = len(every) - LISTED_MAX
    return " ".join(every[:LISTED_MAX]) + (f" and {more} more" if more > 0 else "")
