"""Ages as kubectl shows them: coarse, so that a glance is enough (`45s`, `3m20s`, `5d2h`)."""

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


def _two(whole: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{whole}{unit}{rest}{rest_unit}" if rest else f"{whole}{unit}"


def human_age(seconds: float) -> str:
    """An age in seconds, as text; slightly negative ones (clocks differ) count as zero."""
    age = int(seconds)
    if age < -1:
        return "<invalid>"
    age = max(age, 0)
    if age < 2 * _MINUTE:
        return f"{age}s"
    if age < 10 * _MINUTE:
        return _two(age // _MINUTE, "m", age % _MINUTE, "s")
    if age < 3 * _HOUR:
        return f"{age // _MINUTE}m"
    if age < 8 * _HOUR:
        return _two(age // _HOUR, "h", age % _HOUR // _MINUTE, "m")
    if age < 2 * _DAY:
        return f"{age // _HOUR}h"
    if age < 8 * _DAY:
        return _two(age // _DAY, "d", age % _DAY // _HOUR, "h")
    if age < 2 * _YEAR:
        return f"{age // _DAY}d"
    if age < 8 * _YEAR:
        return _two(age // _YEAR, "y", age % _YEAR // _DAY, "d")
    return f"{age // _YEAR}y"
