"""Judge a rule: does it hold for these facts, at this time?

A fact that is missing makes comparisons with it false (except `ne` and `not_defined`), as in Pacemaker.
Values that do not parse as the wanted type are compared as strings.
"""

import calendar
import datetime
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backstay.numerals import signed, whole
from backstay.state.choices import Comparison, DateOperation, ValueSource, ValueType
from backstay.state.resource import Agent
from backstay.state.rule import (
    AttributeExpression,
    DateExpression,
    Expression,
    OperationExpression,
    ResourceExpression,
    Rule,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule may ask about. `now` is epoch seconds; None elsewhere means "not in this context"."""

    now: float
    attribute: Callable[[str], str | None] | None = None
    agent: Agent | None = None
    operation: tuple[str, int] | None = None  # name, interval in ms
    params: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)


def matches(rule: Rule, facts: Facts) -> bool:
    """Whether the rule holds. A rule without expressions does not."""
    if not rule.expressions:
        return False
    results = (_holds(expression, facts) for expression in rule.expressions)
    return any(results) if rule.any else all(results)


def _holds(expression: Expression, facts: Facts) -> bool:
    match expression:
        case Rule():
            return matches(expression, facts)
        case AttributeExpression():
            return _attribute_holds(expression, facts)
        case DateExpression():
            return _date_holds(expression, facts.now)
        case ResourceExpression():
            return facts.agent is not None and _agent_fits(expression, facts.agent)
        case OperationExpression():
            return facts.operation is not None and _operation_fits(expression, facts.operation)


def _agent_fits(wanted: ResourceExpression, agent: Agent) -> bool:
    return (
        (wanted.standard is None or wanted.standard == agent.standard)
        and (wanted.provider is None or wanted.provider == agent.provider)
        and (wanted.type is None or wanted.type == agent.type)
    )


def _operation_fits(wanted: OperationExpression, operation: tuple[str, int]) -> bool:
    name, interval_ms = operation
    return wanted.name == name and wanted.interval_ms in (None, interval_ms)


def _attribute_holds(expression: AttributeExpression, facts: Facts) -> bool:
    if facts.attribute is None:
        return False
    actual = facts.attribute(expression.attribute)
    wanted = expression.value
    if expression.source is ValueSource.PARAM:
        wanted = facts.params.get(wanted or "")
    elif expression.source is ValueSource.META:
        wanted = facts.meta.get(wanted or "")
    if expression.operation is Comparison.DEFINED:
        return actual is not None
    if expression.operation is Comparison.NOT_DEFINED:
        return actual is None
    if actual is None or wanted is None:
        equal = actual is None and wanted is None
        if expression.operation is Comparison.EQ:
            return equal
        return expression.operation is Comparison.NE and not equal
    return _ordered(compare(actual, wanted, value_type=expression.type), expression.operation)


def _ordered(order: int, operation: Comparison) -> bool:
    match operation:
        case Comparison.EQ:
            return order == 0
        case Comparison.NE:
            return order != 0
        case Comparison.LT:
            return order < 0
        case Comparison.LTE:
            return order <= 0
        case Comparison.GT:
            return order > 0
        case Comparison.GTE:
            return order >= 0
        case Comparison.DEFINED | Comparison.NOT_DEFINED:
            raise AssertionError("needs no comparison")


def compare(left: str, right: str, *, value_type: ValueType | None) -> int:
    """-1, 0 or 1. Without a type: as integers or numbers when an operator implies it, else as strings."""
    match value_type:
        case ValueType.INTEGER:
            pair = _integers(left, right)
        case ValueType.NUMBER:
            pair = _numbers(left, right)
        case ValueType.VERSION:
            return _sign_versions(left, right)
        case ValueType.STRING:
            pair = None
        case None:
            pair = _numbers(left, right) if "." in left + right else _integers(left, right)
    if pair is None:
        folded_left, folded_right = left.casefold(), right.casefold()
        return (folded_left > folded_right) - (folded_left < folded_right)
    return (pair[0] > pair[1]) - (pair[0] < pair[1])


_INTEGER = re.compile(r"\s*([+-]?\d+)", re.ASCII)
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)


def _integers(left: str, right: str) -> tuple[float, float] | None:
    found_left, found_right = _INTEGER.match(left), _INTEGER.match(right)
    if found_left is None or found_right is None:
        return None
    return signed(found_left[1]) or 0, signed(found_right[1]) or 0


def _numbers(left: str, right: str) -> tuple[float, float] | None:
    found_left, found_right = _NUMBER.match(left), _NUMBER.match(right)
    if found_left is None or found_right is None:
        return None
    return float(found_left[1]), float(found_right[1])


def _sign_versions(left: str, right: str) -> int:
    left_parts = [whole(part) or 0 for part in left.split(".")]
    right_parts = [whole(part) or 0 for part in right.split(".")]
    width = max(len(left_parts), len(right_parts))
    left_parts += [0] * (width - len(left_parts))
    right_parts += [0] * (width - len(right_parts))
    return (left_parts > right_parts) - (left_parts < right_parts)


def _date_holds(expression: DateExpression, now: float) -> bool:
    match expression.operation:
        case DateOperation.GT:
            return expression.start is not None and now > expression.start
        case DateOperation.LT:
            return expression.end is not None and now < expression.end
        case DateOperation.IN_RANGE:
            end = expression.end
            if end is None and expression.start is not None and expression.duration:
                end = _after(expression.start, expression.duration)
            if expression.start is None and end is None:
                return False
            return (expression.start is None or now >= expression.start) and (end is None or now <= end)
        case DateOperation.DATE_SPEC:
            return _spec_holds(expression.spec, now)


_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}


def _after(start: float, duration: Mapping[str, int]) -> float:
    """Epoch seconds; infinite where the calendar, which ends with the year 9999, does not reach."""
    seconds = sum(duration.get(unit, 0) * size for unit, size in _SECONDS.items())
    try:
        date = datetime.datetime.fromtimestamp(start, tz=datetime.UTC)
        months = date.year * 12 + date.month - 1 + duration.get("months", 0) + 12 * duration.get("years", 0)
        year, month = divmod(months, 12)
        day = min(date.day, calendar.monthrange(year, month + 1)[1])
        return date.replace(year=year, month=month + 1, day=day).timestamp() + float(seconds)
    except (ValueError, OverflowError, OSError):
        later = duration.get("months", 0) + duration.get("years", 0) > 0 or seconds > 0 or start > 0
        return math.inf if later else -math.inf


def _spec_holds(spec: Mapping[str, str], now: float) -> bool:
    date = datetime.datetime.fromtimestamp(now, tz=datetime.UTC)
    week_year, week, weekday = date.isocalendar()
    fields = {
        "seconds": date.second,
        "minutes": date.minute,
        "hours": date.hour,
        "monthdays": date.day,
        "weekdays": weekday,
        "yeardays": date.timetuple().tm_yday,
        "months": date.month,
        "weeks": week,
        "years": date.year,
        "weekyears": week_year,
    }
    return all(name in fields and _in_ranges(fields[name], ranges) for name, ranges in spec.items())


def _in_ranges(value: int, ranges: str) -> bool:
    for part in ranges.split(","):
        low, dash, high = part.strip().partition("-")
        if not dash:
            if whole(low) == value:
                return True
            continue
        first, last = whole(low or "0"), whole(high or _NO_END)
        if first is not None and last is not None and first <= value <= last:
            return True
    return False


_NO_END = "9" * 9
