"""The notations of a CIB: booleans, scores, durations, dates, roles; and the error that names a bad one."""

import datetime
import re
from enum import Enum
from typing import TypeVar

from backstay.numerals import signed
from backstay.state.choices import Role
from backstay.state.score import INFINITY, clamp


class CibError(ValueError):
    """A CIB that can not be read. Names the element (tag and id) and the attribute at fault."""

    def __init__(self, message: str, *, element: str = "", attribute: str = "") -> None:
        where = f"{element}{'@' + attribute if attribute else ''}"
        super().__init__(f"{where}: {message}" if where else message)
        self.element = element
        self.attribute = attribute


_TRUE = frozenset({"true", "on", "yes", "y", "1"})
_FALSE = frozenset({"false", "off", "no", "n", "0"})


def boolean(text: str) -> bool:
    """Pacemaker's booleans. Raises CibError."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise CibError(f"{text!r} is not a boolean")


_SCORES = {"red": -INFINITY, "yellow": 0, "green": 0}


def score(text: str) -> int:
    """A score: a number, `INFINITY` or `-INFINITY`. Raises CibError."""
    word = text.strip()
    match word.upper().lstrip("+"):
        case "INFINITY":
            return INFINITY
        case "-INFINITY":
            return -INFINITY
    if word.lower() in _SCORES:
        return _SCORES[word.lower()]
    try:
        number = signed(word)
        return clamp(
            int(float(word))
            if number is None and "." in word
            else number
            if number is not None
            else int(word)
        )
    except (ValueError, OverflowError):
        raise CibError(f"{text!r} is not a score") from None


def integer(text: str) -> int:
    """A whole number. Raises CibError."""
    number = signed(text.strip())
    if number is not None:
        return number
    if text.strip().upper().lstrip("+") == "INFINITY":
        return INFINITY
    raise CibError(f"{text!r} is not a number")


_DURATION = re.compile(r"^\+?(\d{1,18}(?:\.\d{1,18})?)\s*([a-zA-Z]*)$", re.ASCII)
_UNIT_MS = {
    "": 1000.0, "s": 1000.0, "sec": 1000.0, "ms": 1.0, "msec": 1.0, "us": 0.001, "usec": 0.001,
    "m": 60_000.0, "min": 60_000.0, "h": 3_600_000.0, "hr": 3_600_000.0,
}  # fmt: skip
# Hours and seconds are understood without the T as well, as Pacemaker does; M needs it, or it means months.
_ISO_DURATION = re.compile(
    r"^P(?:(\d{1,18})Y)?(?:(\d{1,18})M)?(?:(\d{1,18})W)?(?:(\d{1,18})D)?T?(?:(\d{1,18})H)?(?:(\d{1,18})M)?(?:(\d{1,18})S)?$",
    re.ASCII,
)
_ISO_SIZES_MS = (31_536_000_000, 2_592_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000)


def duration_ms(text: str) -> int:
    """A duration in milliseconds: `20`, `20s`, `5min`, `1h`, `100ms`, `PT5M`. Raises CibError."""
    word = text.strip()
    if word.upper().lstrip("+") == "INFINITY":
        return INFINITY * 1000
    plain = _DURATION.match(word)
    if plain is not None and plain[2].lower() in _UNIT_MS:
        return round(float(plain[1]) * _UNIT_MS[plain[2].lower()])
    iso = _ISO_DURATION.match(word)
    if iso is not None and len(word) > 2:
        return sum(
            int(count) * size for count, size in zip(iso.groups(), _ISO_SIZES_MS, strict=True) if count
        )
    raise CibError(f"{text!r} is not a duration")


def date(text: str) -> float:
    """Epoch seconds of an ISO 8601 date (UTC unless it says otherwise) or a plain number. Raises CibError."""
    word = text.strip()
    if re.fullmatch(r"\d{9,15}(\.\d{1,9})?", word, re.ASCII):
        return float(word)
    word = re.sub(r"\s+([+-]\d\d:?\d\d|Z)$", r"\1", word)
    ordinal = re.fullmatch(r"(\d{4})-(\d{3})(T.*)?", word, re.ASCII)
    try:
        if ordinal is not None:  # the day of the year
            day = datetime.date(int(ordinal[1]), 1, 1) + datetime.timedelta(days=int(ordinal[2]) - 1)
            word = f"{day.isoformat()}{ordinal[3] or ''}"
        parsed = datetime.datetime.fromisoformat(word)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=datetime.UTC)
        return parsed.timestamp()
    except (ValueError, OverflowError):
        raise CibError(f"{text!r} is not a date") from None


_ROLES = {
    "started": Role.STARTED, "stopped": Role.STOPPED, "promoted": Role.PROMOTED, "master": Role.PROMOTED,
    "unpromoted": Role.UNPROMOTED, "slave": Role.UNPROMOTED,
}  # fmt: skip


def role(text: str) -> Role:
    """A role, in old or new words. Raises CibError."""
    found = _ROLES.get(text.strip().lower())
    if found is None:
        raise CibError(f"{text!r} is not a role")
    return found


_Choice = TypeVar("_Choice", bound=Enum)


def choice(kind: type[_Choice], text: str) -> _Choice:
    """A member of an enumeration by its word, in any case. Raises CibError."""
    word = text.strip().lower()
    for member in kind:
        if str(member.value).lower() == word:
            return member
    raise CibError(f"{text!r} is not one of {', '.join(str(member.value) for member in kind)}")
