"""CEL's operators and functions on JSON values.

Strict where CEL is strict: no number is a boolean, no string compares with a number; a value that fits no overload
raises RuleFailure. Assumes values as `json.loads` makes them, plus timedelta and datetime from the conversions.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from backstay.objectstore.document import Json
from backstay.objectstore.schema import RuleFailure
from backstay.objectstore.timestamps import unix_seconds

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


def no_overload(name: str) -> RuleFailure:
    return RuleFailure(f"no such overload: {name}")


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(a: Json, b: Json) -> bool:
    """CEL equality: numbers by value, everything else only with its own type."""
    if is_number(a) and is_number(b):
        return bool(a == b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(value, b[key]) for key, value in a.items())
    return bool(a == b)


def compare(a: Json, b: Json, name: str) -> int:
    """-1, 0 or 1. Raises RuleFailure for values without an order."""
    numbers = is_number(a) and is_number(b)
    if not numbers and (type(a) is not type(b) or not isinstance(a, str | bool | timedelta | datetime)):
        raise no_overload(f"_{name}_")
    return int(a > b) - int(a < b)


def contains(needle: Json, haystack: Json) -> bool:
    """The `in` operator."""
    if isinstance(haystack, list):
        return any(equal(needle, item) for item in haystack)
    if isinstance(haystack, dict):
        return isinstance(needle, str) and needle in haystack
    raise no_overload("@in")


def add(a: Json, b: Json) -> Json:
    if is_number(a) and is_number(b):
        return _checked(a + b)
    if isinstance(a, str) and isinstance(b, str):
        return a + b
    if isinstance(a, list) and isinstance(b, list):
        return [*a, *b]
    if isinstance(a, timedelta | datetime) and isinstance(b, timedelta):
        return a + b
    raise no_overload("_+_")


def subtract(a: Json, b: Json) -> Json:
    if is_number(a) and is_number(b):
        return _checked(a - b)
    if isinstance(a, datetime) and isinstance(b, datetime | timedelta):
        return a - b
    if isinstance(a, timedelta) and isinstance(b, timedelta):
        return a - b
    raise no_overload("_-_")


def multiply(a: Json, b: Json) -> Json:
    if is_number(a) and is_number(b):
        return _checked(a * b)
    raise no_overload("_*_")


def divide(a: Json, b: Json) -> Json:
    if not is_number(a) or not is_number(b):
        raise no_overload("_/_")
    if isinstance(a, int) and isinstance(b, int):
        if b == 0:
            raise RuleFailure("division by zero")
        quotient = abs(a) // abs(b)  # toward zero, unlike Python
        return quotient if (a < 0) == (b < 0) else -quotient
    if b == 0:
        return float("nan") if a == 0 else float("inf") * (1 if a > 0 else -1)
    return a / b


def modulo(a: Json, b: Json) -> Json:
    if not isinstance(a, int) or not isinstance(b, int) or isinstance(a, bool) or isinstance(b, bool):
        raise no_overload("_%_")
    if b == 0:
        raise RuleFailure("modulus by zero")
    remainder = abs(a) % abs(b)
    return remainder if a >= 0 else -remainder


def negate(a: Json) -> Json:
    if is_number(a):
        return _checked(-a)
    raise no_overload("-_")


def _checked(value: Json) -> Json:
    if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        raise RuleFailure("integer overflow")
    return value


def member(value: Json, name: str) -> Json:
    """`value.name`."""
    if not isinstance(value, dict):
        raise RuleFailure(f"type '{type(value).__name__}' does not support field selection")
    if name not in value:
        raise RuleFailure(f"no such key: {name}")
    return value[name]


def item(value: Json, index: Json) -> Json:
    """`value[index]`."""
    if isinstance(value, dict) and isinstance(index, str):
        return member(value, index)
    if isinstance(value, list) and is_number(index) and index == int(index):
        if not 0 <= index < len(value):
            raise RuleFailure(f"index out of bounds: {index}")
        return value[int(index)]
    raise no_overload("_[_]")


@lru_cache(maxsize=256)
def pattern_of(text: str) -> re.Pattern[str]:
    """A compiled regular expression. Raises RuleFailure."""
    try:
        return re.compile(text)
    except re.error as broken:
        raise RuleFailure(f"error parsing regexp: {broken}") from broken


def size(value: Json) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise no_overload("size")


def to_int(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str | datetime):
        raise no_overload("int")
    if isinstance(value, datetime):
        return int(value.timestamp())
    try:
        return int(_checked(int(value)))
    except (ValueError, OverflowError) as broken:
        raise RuleFailure(f"cannot convert {value!r} to int") from broken


def to_double(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise no_overload("double")
    try:
        return float(value)
    except ValueError as broken:
        raise RuleFailure(f"cannot convert {value!r} to double") from broken


def to_string(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    raise no_overload("string")


def to_bool(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "True", "TRUE", "t", "1"):
        return True
    if value in ("false", "False", "FALSE", "f", "0"):
        return False
    raise no_overload("bool")


_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def to_duration(value: Json) -> timedelta:
    """A Go duration (`1h30m`) as a timedelta."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise no_overload("duration")
    body = value.lstrip("+-")
    if body == "0":
        return timedelta(0)
    parts = _DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise RuleFailure(f"invalid duration: {value!r}")
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    return timedelta(seconds=-seconds if value.startswith("-") else seconds)


def to_timestamp(value: Json) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise no_overload("timestamp")
    if unix_seconds(value) is None:
        raise RuleFailure(f"invalid timestamp: {value!r}")
    return datetime.fromisoformat(value)


def type_name(value: Json) -> str:
    for kind, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "double"),
        (str, "string"),
        (list, "list"),
        (dict, "map"),
    ):
        if isinstance(value, kind):
            return name
    return "null_type"


def _is_address(value: Json) -> bool:
    try:
        ipaddress.ip_address(_text(value, "isIP"))
    except ValueError:
        return False
    return True


def _is_network(value: Json) -> bool:
    text = _text(value, "isCIDR")
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str):
        raise no_overload(name)
    return value


def _list(value: Json, name: str) -> list[Json]:
    if not isinstance(value, list):
        raise no_overload(name)
    return value


def _index_of(value: Json, part: Json) -> int:
    if isinstance(value, str):
        return value.find(_text(part, "indexOf"))
    return next((at for at, entry in enumerate(_list(value, "indexOf")) if equal(entry, part)), -1)


def _last_index_of(value: Json, part: Json) -> int:
    if isinstance(value, str):
        return value.rfind(_text(part, "lastIndexOf"))
    found = [at for at, entry in enumerate(_list(value, "lastIndexOf")) if equal(entry, part)]
    return found[-1] if found else -1


def _substring(value: Json, start: Json, end: Json = None) -> str:
    text = _text(value, "substring")
    stop = len(text) if end is None else end
    if not isinstance(start, int) or not isinstance(stop, int):
        raise no_overload("substring")
    if not 0 <= start <= stop <= len(text):
        raise RuleFailure(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def _join(value: Json, separator: Json = "") -> str:
    parts = [_text(entry, "join") for entry in _list(value, "join")]
    return _text(separator, "join").join(parts)


def _is_sorted(value: Json) -> bool:
    entries = _list(value, "isSorted")
    return all(compare(a, b, "<=") <= 0 for a, b in pairwise(entries))


def _extreme(value: Json, name: str, sign: int) -> Json:
    entries = _list(value, name)
    if not entries:
        raise RuleFailure(f"{name} called on empty list")
    best = entries[0]
    for entry in entries[1:]:
        if compare(entry, best, name) * sign > 0:
            best = entry
    return best


def _sum(value: Json) -> Json:
    entries = _list(value, "sum")
    total: Json = 0
    for at, entry in enumerate(entries):
        total = entry if at == 0 else add(total, entry)
    return total


def _find(value: Json, pattern: Json) -> str:
    found = pattern_of(_text(pattern, "find")).search(_text(value, "find"))
    return found.group() if found else ""


Function = Callable[..., Json]

FUNCTIONS: dict[str, Function] = {
    "size": size,
    "int": to_int,
    "uint": to_int,
    "double": to_double,
    "string": to_string,
    "bool": to_bool,
    "dyn": lambda value: value,
    "type": type_name,
    "duration": to_duration,
    "timestamp": to_timestamp,
    "isIP": _is_address,
    "isCIDR": _is_network,
    "matches": lambda value, pattern: bool(
        pattern_of(_text(pattern, "matches")).search(_text(value, "matches"))
    ),
}
"""Functions by name; all but the conversions may also be called as methods, see METHODS."""

METHODS: dict[str, Function] = {
    "size": size,
    "matches": FUNCTIONS["matches"],
    "startsWith": lambda value, part: _text(value, "startsWith").startswith(_text(part, "startsWith")),
    "endsWith": lambda value, part: _text(value, "endsWith").endswith(_text(part, "endsWith")),
    "contains": lambda value, part: _text(part, "contains") in _text(value, "contains"),
    "lowerAscii": lambda value: _text(value, "lowerAscii").lower(),
    "upperAscii": lambda value: _text(value, "upperAscii").upper(),
    "trim": lambda value: _text(value, "trim").strip(),
    "replace": lambda value, old, new: _text(value, "replace").replace(
        _text(old, "replace"), _text(new, "replace")
    ),
    "split": lambda value, mark: _text(value, "split").split(mark) if mark else list(_text(value, "split")),
    "join": _join,
    "substring": _substring,
    "charAt": lambda value, at: _substring(value, at, at + 1) if at < len(_text(value, "charAt")) else "",
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "isSorted": _is_sorted,
    "min": lambda value: _extreme(value, "min", -1),
    "max": lambda value: _extreme(value, "max", 1),
    "sum": _sum,
    "find": _find,
    "findAll": lambda value, pattern: [
        found.group() for found in pattern_of(_text(pattern, "findAll")).finditer(_text(value, "findAll"))
    ],
    "getSeconds": lambda value: int(value.total_seconds()) if isinstance(value, timedelta) else value.second,
}
"""Methods by name; the first argument is what they are called on."""
