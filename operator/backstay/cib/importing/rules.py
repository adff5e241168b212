"""Rules and typed values as manifests write them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, assert_never

from backstay.api.quantities import duration_text, timestamp
from backstay.state.choices import ValueSource
from backstay.state.resource import Operation, ResourceMeta
from backstay.state.rule import (
    AttributeExpression,
    DateExpression,
    Expression,
    OperationExpression,
    ResourceExpression,
    Rule,
)
from backstay.state.score import INFINITY
from backstay.state.score import text as score_text

Obj = dict[str, Any]


class TooDeep(ValueError):
    """A rule in a rule in a rule: manifests hold two levels, since a CRD's schema cannot call itself."""


def rule_manifest(rule: Rule) -> Obj:
    """Raises TooDeep. A rule inside one of the same kind is the same as its expressions."""
    rule = _flattened(rule)
    inner = [one for one in rule.expressions if isinstance(one, Rule)]
    found: Obj = {"booleanOp": "or"} if rule.any else {}
    expressions = [_expression(one) for one in rule.expressions if not isinstance(one, Rule)]
    if expressions:
        found["expressions"] = expressions
    if inner:
        found["rules"] = [_inner(one) for one in inner]
    return found


def under_rules(
    sets: Iterable[tuple[Rule, int, Obj]], what: str, complain: Callable[[str], None]
) -> list[Obj]:
    """Of (rule, score, what holds where it matches) what manifests can say; `complain` is told of the rest."""
    found = []
    for rule, score, held in sets:
        try:
            condition = rule_manifest(rule)
        except TooDeep as error:
            complain(f"{what} under {error}")
            continue
        worth: Obj = {"score": score_manifest(score)} if score else {}
        found.append({**worth, "rule": condition, **held})
    return found


def _flattened(rule: Rule) -> Rule:
    expressions: list[Expression] = []
    for one in rule.expressions:
        flat = _flattened(one) if isinstance(one, Rule) else one
        if (
            isinstance(flat, Rule)
            and flat.expressions
            and (flat.any == rule.any or len(flat.expressions) == 1)
        ):
            expressions += flat.expressions
        else:
            expressions.append(flat)
    return Rule(id=rule.id, any=rule.any, expressions=tuple(expressions))


def _inner(rule: Rule) -> Obj:
    if any(isinstance(one, Rule) for one in rule.expressions):
        raise TooDeep("a rule in a rule in a rule")
    operator: Obj = {"booleanOp": "or"} if rule.any else {}
    return {**operator, "expressions": [_expression(one) for one in rule.expressions]}


def _expression(one: Expression) -> Obj:
    match one:
        case AttributeExpression():
            found: Obj = {"attribute": one.attribute, "operation": one.operation.value}
            if one.value is not None:
                found["value"] = one.value
            if one.type is not None:
                found["type"] = one.type.value
            if one.source is not ValueSource.LITERAL:
                found["valueSource"] = one.source.value
            return found
        case DateExpression():
            found = {"operation": one.operation.value}
            for name, moment in (("start", one.start), ("end", one.end)):
                if moment is not None:
                    found[name] = timestamp(moment)
            if one.duration:
                found["duration"] = {unit: str(count) for unit, count in one.duration.items()}
            if one.spec:
                found["dateSpec"] = dict(one.spec)
            return found
        case ResourceExpression():
            parts = {"standard": one.standard, "provider": one.provider, "type": one.type}
            return {"agent": {name: part for name, part in parts.items() if part is not None}}
        case OperationExpression():
            interval: Obj = {} if one.interval_ms is None else {"interval": duration_text(one.interval_ms)}
            return {"action": {"name": one.name, **interval}}
        case Rule():
            raise AssertionError("rules in rules are handled by their parent")
        case _:
            assert_never(one)


def score_manifest(score: int) -> int | str:
    """A number, or INFINITY in words."""
    return score if abs(score) < INFINITY else score_text(score)


def meta_manifest(meta: ResourceMeta) -> Obj:
    """The meta attributes that every resource may have."""
    values = {
        "targetRole": None if meta.target_role is None else meta.target_role.value,
        "priority": None if meta.priority is None else score_manifest(meta.priority),
        "resourceStickiness": None
        if meta.resource_stickiness is None
        else score_manifest(meta.resource_stickiness),
        "migrationThreshold": None
        if meta.migration_threshold is None
        else score_manifest(meta.migration_threshold),
        "failureTimeout": None if meta.failure_timeout_ms is None else duration_text(meta.failure_timeout_ms),
        "isManaged": meta.is_managed,
        "maintenance": meta.maintenance,
        "requires": None if meta.requires is None else meta.requires.value,
        "multipleActive": None if meta.multiple_active is None else meta.multiple_active.value,
        "allowMigrate": meta.allow_migrate,
        "allowUnhealthyNodes": meta.allow_unhealthy_nodes,
        "critical": meta.critical,
    }
    return given(values)


def operation_options(operation: Operation) -> Obj:
    """What operations and their defaults share."""
    values = {
        "timeout": None if operation.timeout_ms is None else duration_text(operation.timeout_ms),
        "onFail": None if operation.on_fail is None else operation.on_fail.value,
        "recordPending": operation.record_pending,
    }
    return given(values)


def given(values: Mapping[str, Any]) -> Obj:
    """Without what is None."""
    return {name: value for name, value in values.items() if value is not None}
