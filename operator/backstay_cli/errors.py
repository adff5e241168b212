"""What a command says when it cannot do what was asked: the fault, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CliError(Exception):
    """Ends a command. `hint` is the next step for the reader; `code` the exit status (1 failed, 2 wrong usage)."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class UsageError(CliError):
    """The command line is wrong: exit status 2."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=2)


def nearest(word: str, known: Iterable[str]) -> str:
    """ "did you mean X or Y?", else the whole list when it is short, else nothing. Only names about as near as the nearest count."""
    names = sorted(known)
    likeness = {name: difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio() for name in names}
    best = max(likeness.values(), default=0.0)
    if best >= 0.5:
        found = [name for name in names if likeness[name] >= best - 0.1]
        return f"did you mean {' or '.join(found[:3])}?"
    return f"known are: {', '.join(names)}" if 0 < len(names) <= 24 else ""
