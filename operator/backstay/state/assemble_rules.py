"""Rules of manifests as the scheduler's."""

from __future__ import annotations

from backstay.api import rule as api
from backstay.api.quantities import duration_ms, timestamp_seconds
from backstay.numerals import shortened, whole
from backstay.state.choices import Comparison, DateOperation, ValueSource, ValueType
from backstay.state.rule import (
    DATE_FIELDS,
    DURATION_UNITS,
    AttributeExpression,
    DateExpression,
    Expression,
    OperationExpression,
    ResourceExpression,
    Rule,
)


def rule_of(spec: api.Rule, id_: str) -> Rule:
    """Raises ValueError for an unknown operation, and for dates that are none."""
    expressions: list[Expression] = [expression_of(one) for one in spec.expressions]
    expressions += [
        Rule(
            expressions=tuple(expression_of(one) for one in inner.expressions),
            any=inner.boolean_op == "or",
            id=f"{id_}-{number}",
        )
        for number, inner in enumerate(spec.rules)
    ]
    return Rule(expressions=tuple(expressions), any=spec.boolean_op == "or", id=id_)


def expression_of(spec: api.AttributeExpression) -> Expression:
    """One condition: of an agent or an action where these are given, of an attribute where it is, else of the date."""
    if spec.agent is not None:
        return ResourceExpression(
            standard=spec.agent.standard, provider=spec.agent.provider, type=spec.agent.type
        )
    if spec.action is not None:
        interval = spec.action.interval
        return OperationExpression(
            name=spec.action.name, interval_ms=None if interval is None else duration_ms(interval)
        )
    if spec.attribute is None:
        return DateExpression(
            operation=DateOperation(spec.operation or "in_range"),
            start=timestamp_seconds(spec.start) if spec.start else None,
            end=timestamp_seconds(spec.end) if spec.end else None,
            duration={unit: _count(unit, value) for unit, value in (spec.duration or {}).items()},
            spec={unit: _range(unit, value) for unit, value in (spec.date_spec or {}).items()},
        )
    return AttributeExpression(
        attribute=spec.attribute,
        operation=Comparison(spec.operation or "eq"),
        value=spec.value,
        type=ValueType(spec.type) if spec.type else None,
        source=ValueSource(spec.value_source or "literal"),
    )


_COUNT_MAX = 1_000_000_000


def _count(unit: str, text: str) -> int:
    if unit not in DURATION_UNITS:
        raise ValueError(f"{shortened(unit)!r} is no unit of a duration; write {', '.join(DURATION_UNITS)}")
    number = whole(text.strip())
    if number is None or number > _COUNT_MAX:
        raise ValueError(f"{unit}: {shortened(text)!r} is not a whole number up to {_COUNT_MAX}")
    return number


def _range(unit: str, text: str) -> str:
    if unit not in DATE_FIELDS:
        raise ValueError(f"{shortened(unit)!r} is no field of a date; write {', '.join(DATE_FIELDS)}")
    for part in text.split(","):
        ends = [end for end in part.strip().split("-", 1) if end]
        if not ends or any(whole(end) is None for end in ends):
            raise ValueError(f"{unit}: {shortened(text)!r} is no list of numbers and ranges, as 1,3-5")
    return text
