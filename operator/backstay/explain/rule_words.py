"""Rules in words: `rack is left and (hours 9-16 or not defined spare)`."""

import datetime
from typing import assert_never

from backstay.state.choices import Comparison, DateOperation
from backstay.state.rule import (
    AttributeExpression,
    DateExpression,
    Expression,
    OperationExpression,
    ResourceExpression,
    Rule,
)

_OPERATORS = {
    Comparison.EQ: "is", Comparison.NE: "is not", Comparison.LT: "<", Comparison.LTE: "<=", Comparison.GT: ">",
    Comparison.GTE: ">=", Comparison.DEFINED: "is defined", Comparison.NOT_DEFINED: "is not defined",
}  # fmt: skip


def rule_words(rule: Rule) -> str:
    """The condition that a rule is."""
    word = " or " if rule.any else " and "
    return word.join(_expression(one) for one in rule.expressions) or "never"


def _expression(one: Expression) -> str:
    match one:
        case Rule():
            return f"({rule_words(one)})"
        case AttributeExpression():
            value = f" {one.value}" if one.value is not None else ""
            return f"{one.attribute} {_OPERATORS[one.operation]}{value}"
        case DateExpression():
            return _date(one)
        case ResourceExpression():
            parts = [part or "*" for part in (one.standard, one.provider, one.type)]
            return f"the agent is {':'.join(parts)}"
        case OperationExpression():
            return f"the operation is {one.name}"
        case _:
            assert_never(one)


def _date(one: DateExpression) -> str:
    start, end = _moment(one.start), _moment(one.end)
    match one.operation:
        case DateOperation.GT:
            return f"it is after {start}"
        case DateOperation.LT:
            return f"it is before {end}"
        case DateOperation.IN_RANGE:
            return f"it is between {start or 'ever'} and {end or 'the end of the duration'}"
        case DateOperation.DATE_SPEC:
            return ", ".join(f"{unit} {ranges}" for unit, ranges in one.spec.items())
        case _:
            assert_never(one.operation)


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
