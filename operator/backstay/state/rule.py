"""Rules: conditions on node attributes, dates, resource types and operations.

Only the shape is here; `backstay.scheduler.rules` judges. Dates are epoch seconds; ranges and specs of
calendar fields stay as given, because "every Monday" has no epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.state.choices import Comparison, DateOperation, Role, ValueSource, ValueType

DURATION_UNITS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
DATE_FIELDS = (
    "seconds", "minutes", "hours", "monthdays", "weekdays", "yeardays", "months", "weeks", "years", "weekyears",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeExpression:
    """Compare a node attribute with a value. `value` is None for defined / not_defined."""

    attribute: str
    operation: Comparison
    value: str | None = None
    type: ValueType | None = None
    source: ValueSource = ValueSource.LITERAL


@dataclass(frozen=True, slots=True, kw_only=True)
class DateExpression:
    """Compare `now`. `spec` maps calendar fields (hours, weekdays, months, ...) to ranges such as `9-16`;
    `duration` maps units (years, months, days, hours, ...) to numbers and stands for `end` when that is
    None."""

    operation: DateOperation
    start: float | None = None
    end: float | None = None
    duration: Mapping[str, int] = field(default_factory=dict)
    spec: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceExpression:
    """Match a resource's agent; None matches anything."""

    standard: str | None = None
    provider: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationExpression:
    """Match an operation's name and, when given, its interval."""

    name: str
    interval_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """All (or, with `any`, at least one) of the expressions hold."""

    expressions: tuple["Expression", ...]
    any: bool = False
    id: str = ""


Expression = AttributeExpression | DateExpression | ResourceExpression | OperationExpression | Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSet:
    """Name/value pairs that apply while a rule holds. Of two sets naming one thing the higher score wins,
    then the earlier."""

    values: Mapping[str, str]
    score: int = 0
    rule: Rule | None = None
    id: str = ""


def without_fallback(sets: "tuple[AttributeSet, ...]") -> "tuple[AttributeSet, ...]":
    """The sets but for those without a rule at the end: `params` says the same."""
    kept = list(sets)
    while kept and kept[-1].rule is None:
        kept.pop()
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationRule:
    """A rule that gives every matching node a score: a number, or the value of a node attribute."""

    rule: Rule
    score: int = 0
    score_attribute: str | None = None
    role: Role | None = None
    id: str = ""
