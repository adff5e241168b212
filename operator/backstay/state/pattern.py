"""Locations whose resource is a pattern: which ids it means, and what its rules become for each.

`!` in front means every id that does not match. `%0`..`%9` in a rule's attribute stand for what the pattern captured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from backstay.state.rule import AttributeExpression, Expression, LocationRule, Rule


def matching(pattern: str, ids: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The ids that are meant, each with the whole match and its groups (empty for a negated pattern). Raises re.error."""
    negated = pattern.startswith("!")
    regex = re.compile(pattern.removeprefix("!"))
    for name in ids:
        found = regex.search(name)
        if (found is None) == negated:
            yield name, () if found is None else (found[0], *found.groups(""))


def filled_rule(one: LocationRule, captured: tuple[str, ...]) -> LocationRule:
    """The rule for one id."""
    attribute = one.score_attribute
    return replace(
        one,
        rule=_substituted(one.rule, captured),
        score_attribute=None if attribute is None else _filled(attribute, captured),
    )


def _substituted(rule: Rule, captured: tuple[str, ...]) -> Rule:
    expressions: list[Expression] = []
    for expression in rule.expressions:
        match expression:
            case Rule():
                expressions.append(_substituted(expression, captured))
            case AttributeExpression():
                expressions.append(replace(expression, attribute=_filled(expression.attribute, captured)))
            case _:
                expressions.append(expression)
    return Rule(id=rule.id, any=rule.any, expressions=tuple(expressions))


def _filled(text: str, captured: tuple[str, ...]) -> str:
    def group(found: re.Match[str]) -> str:
        number = int(found[1])
        return captured[number] if number < len(captured) else ""

    return re.sub(r"%(\d)", group, text)
