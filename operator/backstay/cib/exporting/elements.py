"""Elements of the CIB to be: ids that occur once, name/value sets, rules, and the notations of values."""

import datetime
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import assert_never

from backstay.state.choices import ValueSource
from backstay.state.rule import (
    AttributeExpression,
    DateExpression,
    Expression,
    OperationExpression,
    ResourceExpression,
    Rule,
)
from backstay.state.score import text as score_text

Element = ET.Element


class Ids:
    """Gives out XML ids: as wanted where they are legal and free, else the next that is."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, wanted: str) -> str:
        """An id like the wanted one."""
        legal = re.sub(r"[^A-Za-z0-9._-]", "-", wanted) or "id"
        if not re.match(r"[A-Za-z_]", legal):
            legal = f"_{legal}"
        found, number = legal, 1
        while found in self._taken:
            number += 1
            found = f"{legal}-{number}"
        self._taken.add(found)
        return found


def pairs(
    parent: Element,
    tag: str,
    values: Mapping[str, str],
    *,
    ids: Ids,
    wanted: str,
    rule: Rule | None = None,
    score: int = 0,
) -> None:
    """A set of name/value pairs; none when there are no values."""
    if not values:
        return
    element = ET.SubElement(parent, tag, {"id": ids.claim(wanted)})
    if score:
        element.set("score", score_text(score))
    if rule is not None:
        add_rule(element, rule, ids=ids)
    for name, value in values.items():
        ET.SubElement(
            element, "nvpair", {"id": ids.claim(f"{element.get('id')}-{name}"), "name": name, "value": value}
        )


def add_rule(parent: Element, rule: Rule, *, ids: Ids, more: Mapping[str, str] | None = None) -> None:
    """A rule and all in it; `more` are its attributes besides (score, role)."""
    identity = ids.claim(rule.id or f"{parent.get('id')}-rule")
    element = ET.SubElement(parent, "rule", {"id": identity, **(more or {})})
    if rule.any:
        element.set("boolean-op", "or")
    for number, expression in enumerate(rule.expressions):
        _add_expression(element, expression, ids=ids, wanted=f"{identity}-expr-{number}")


def _add_expression(parent: Element, expression: Expression, *, ids: Ids, wanted: str) -> None:
    match expression:
        case Rule():
            add_rule(parent, expression, ids=ids)
        case AttributeExpression():
            source = "" if expression.source is ValueSource.LITERAL else expression.source.value
            given = {
                "attribute": expression.attribute,
                "operation": expression.operation.value,
                "value": expression.value,
                "type": expression.type.value if expression.type else None,
                "value-source": source or None,
            }
            ET.SubElement(parent, "expression", {"id": ids.claim(wanted), **present(given)})
        case DateExpression():
            _add_date(parent, expression, ids=ids, wanted=wanted)
        case ResourceExpression():
            given = {
                "class": expression.standard,
                "provider": expression.provider,
                "type": expression.type,
            }
            ET.SubElement(parent, "rsc_expression", {"id": ids.claim(wanted), **present(given)})
        case OperationExpression():
            interval = None if expression.interval_ms is None else milliseconds(expression.interval_ms)
            given = {"name": expression.name, "interval": interval}
            ET.SubElement(parent, "op_expression", {"id": ids.claim(wanted), **present(given)})
        case _:
            assert_never(expression)


def _add_date(parent: Element, expression: DateExpression, *, ids: Ids, wanted: str) -> None:
    identity = ids.claim(wanted)
    given = {
        "operation": expression.operation.value,
        "start": None if expression.start is None else date_text(expression.start),
        "end": None if expression.end is None else date_text(expression.end),
    }
    element = ET.SubElement(parent, "date_expression", {"id": identity, **present(given)})
    if expression.duration:
        numbers = {unit: str(count) for unit, count in expression.duration.items()}
        ET.SubElement(element, "duration", {"id": ids.claim(f"{identity}-duration"), **numbers})
    if expression.spec:
        ET.SubElement(element, "date_spec", {"id": ids.claim(f"{identity}-spec"), **expression.spec})


def present(values: Mapping[str, str | None]) -> dict[str, str]:
    """Without what is None."""
    return {name: value for name, value in values.items() if value is not None}


def words(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Option values as a CIB writes them; None is left out."""
    for name, value in values.items():
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        elif value is not None:
            yield name, str(value)


def milliseconds(ms: int) -> str:
    """`30s` or `1500ms`."""
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"


def date_text(epoch_s: float) -> str:
    """ISO 8601, in UTC."""
    return datetime.datetime.fromtimestamp(epoch_s, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
