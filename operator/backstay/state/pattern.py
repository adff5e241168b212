"""Locations whose resource is a pattern: which ids it means, and what its rules become for each.

`!` in front means every id that does not match. `%0`..`%9` in a rule's attribute stand for what the pattern captured.

Anybody who may write a constraint may write a pattern, so it is matched in linear time: by RE2, whose syntax is that of Python and
POSIX without backward references and lookaround. A pattern needs at most PROGRAM_BYTES_MAX when compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import re2

from backstay.numerals import shortened
from backstay.state.rule import AttributeExpression, Expression, LocationRule, Rule

PROGRAM_BYTES_MAX = 256 * 1024
"""What a compiled pattern may need: RE2's time is proportional to that and to the text. `a{1000}` needs 32 KiB."""


class PatternError(ValueError):
    """A text that is no pattern; the message says why."""


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> Match | None:
        """The first match anywhere in the text."""

    def fullmatch(self, text: str) -> Match | None:
        """The match of the whole text."""


class Match(Protocol):
    """What a pattern found."""

    def __getitem__(self, group: int) -> str: ...

    def groups(self, default: str) -> tuple[str, ...]:
        """What the groups captured."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Pattern:
    """A pattern that matches in linear time. Raises PatternError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PROGRAM_BYTES_MAX
    try:
        found: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        words = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise PatternError(f"{shortened(pattern)!r} is not a regular expression: {words}") from None
    except UnicodeEncodeError:
        raise PatternError(f"{shortened(pattern)!r} is not Unicode text") from None
    return found


def matching(pattern: str, ids: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The ids that are meant, each with the whole match and its groups (empty for a negated pattern). Raises PatternError."""
    negated = pattern.startswith("!")
    regex = compiled(pattern.removeprefix("!"))
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

    return re.sub(r"%([0-9])", group, text)
