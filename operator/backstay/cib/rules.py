"""Rules and rule-guarded sets of name/value pairs."""

from backstay.cib.tree import Element, Index, label, parsed, read, required
from backstay.cib.values import CibError, choice, date, duration_ms, integer, score
from backstay.state.choices import Comparison, DateOperation, ValueSource, ValueType
from backstay.state.rule import (
    AttributeExpression,
    AttributeSet,
    DateExpression,
    Expression,
    OperationExpression,
    ResourceExpression,
    Rule,
)


def read_rule(element: Element, index: Index) -> Rule:
    """The rule in a `rule` element. Unknown kinds of expressions are refused."""
    element = index.resolve(element)
    operator = (element.get("boolean-op") or "and").lower()
    if operator not in ("and", "or"):
        raise CibError("must be 'and' or 'or'", element=label(element), attribute="boolean-op")
    return Rule(
        id=element.get("id") or "",
        any=operator == "or",
        expressions=tuple(_expression(child, index) for child in element if _is_expression(child)),
    )


def read_sets(parent: Element, tag: str, index: Index) -> list[AttributeSet]:
    """All sets of that tag, those with the highest score first, else in document order."""
    sets = [_read_set(element, index) for element in index.children(parent, tag)]
    return sorted(sets, key=lambda one: -one.score)


def merged(sets: list[AttributeSet]) -> dict[str, str]:
    """The unconditional pairs; of two with one name the first wins."""
    values: dict[str, str] = {}
    for one in sets:
        if one.rule is None:
            for name, value in one.values.items():
                values.setdefault(name, value)
    return values


def _read_set(element: Element, index: Index) -> AttributeSet:
    rule = element.find("rule")
    values: dict[str, str] = {}
    for pair in index.children(element, "nvpair"):
        name = required(pair, "name")
        value = pair.get("value")
        if value is not None and value != "#default":  # says that nothing is set here
            values.setdefault(name, value)
    return AttributeSet(
        id=element.get("id") or "",
        score=read(element, "score", score) or 0,
        rule=None if rule is None else read_rule(rule, index),
        values=values,
    )


def _is_expression(element: Element) -> bool:
    return isinstance(element.tag, str)


def _expression(element: Element, index: Index) -> Expression:
    match element.tag:
        case "rule":
            return read_rule(element, index)
        case "expression":
            return _attribute_expression(element)
        case "date_expression":
            return _date_expression(element)
        case "rsc_expression":
            return ResourceExpression(
                standard=element.get("class"), provider=element.get("provider"), type=element.get("type")
            )
        case "op_expression":
            return OperationExpression(
                name=required(element, "name"), interval_ms=read(element, "interval", duration_ms)
            )
        case other:
            raise CibError(f"unknown kind of expression {other!r}", element=label(element))


def _attribute_expression(element: Element) -> AttributeExpression:
    source = read(element, "value-source", lambda text: choice(ValueSource, text))
    return AttributeExpression(
        attribute=required(element, "attribute"),
        operation=parsed(
            required(element, "operation"),
            lambda text: choice(Comparison, text),
            element=label(element),
            attribute="operation",
        ),
        value=element.get("value"),
        type=read(element, "type", _value_type),
        source=source or ValueSource.LITERAL,
    )


def _value_type(text: str) -> ValueType:
    return choice(ValueType, text)


def _date_expression(element: Element) -> DateExpression:
    operation = read(element, "operation", lambda text: choice(DateOperation, text.replace("-", "_")))
    spec, duration = element.find("date_spec"), element.find("duration")
    return DateExpression(
        operation=operation or DateOperation.IN_RANGE,
        start=read(element, "start", date),
        end=read(element, "end", date),
        duration={}
        if duration is None
        else {
            name: parsed(value, integer, element=label(duration), attribute=name)
            for name, value in duration.attrib.items()
            if name != "id"
        },
        spec={} if spec is None else {name: value for name, value in spec.attrib.items() if name != "id"},
    )
