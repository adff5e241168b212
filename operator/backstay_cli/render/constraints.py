"""Constraints in sentences, as `pcs constraint` says them. Pure: specs in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay.api.constraint import (
    Colocation,
    HAConstraint,
    Location,
    LocationRule,
    Order,
    ResourceSet,
    Ticket,
)
from backstay.api.quantities import score_text, score_value
from backstay.api.rule import AttributeExpression, InnerRule


def constraint_lines(constraints: Iterable[HAConstraint]) -> Iterator[str]:
    """All of them, by kind: location, colocation, order, ticket."""
    everything = list(constraints)
    for title, kind in (
        ("Location Constraints:", "location"),
        ("Colocation Constraints:", "colocation"),
        ("Ordering Constraints:", "order"),
        ("Ticket Constraints:", "ticket"),
    ):
        found = [c for c in everything if getattr(c.spec, kind) is not None]
        if found:
            yield title
            for constraint in found:
                yield f"  {sentence(constraint)}  (id: {constraint.spec.constraint_id or constraint.metadata.name})"


def sentence(constraint: HAConstraint) -> str:
    """One constraint in words."""
    spec = constraint.spec
    if spec.location is not None:
        return _location(spec.location)
    if spec.colocation is not None:
        return _colocation(spec.colocation)
    if spec.order is not None:
        return _order(spec.order)
    if spec.ticket is not None:
        return _ticket(spec.ticket)
    return "nothing: exactly one of location, colocation, order and ticket is needed"


def _location(location: Location) -> str:
    what = location.resource or (f"/{location.resource_pattern}/" if location.resource_pattern else "")
    what = what or _sets(location.sets)
    role = f" as {location.role}" if location.role else ""
    discovery = f", discovery {location.resource_discovery}" if location.resource_discovery else ""
    if location.node is not None and location.score is not None:
        score = score_value(location.score)
        verb = "prefers" if score >= 0 else "avoids"
        return f"{what}{role} {verb} {location.node} with {score_text(abs(score))}{discovery}"
    rules = " or ".join(_rule(rule) for rule in location.rules or ())
    return f"{what}{role}: {rules}{discovery}"


def _rule(rule: LocationRule) -> str:
    score = f"score {rule.score}" if rule.score is not None else f"score of {rule.score_attribute or '?'}"
    parts = [_expression(e) for e in rule.expressions] + [f"({_inner(inner)})" for inner in rule.rules]
    return f"{score} where {f' {rule.boolean_op} '.join(parts)}"


def _inner(rule: InnerRule) -> str:
    return f" {rule.boolean_op} ".join(_expression(e) for e in rule.expressions)


def _expression(expression: AttributeExpression) -> str:
    operation = expression.operation or ""
    if expression.attribute is not None:
        if operation in ("defined", "not_defined"):
            return f"{expression.attribute} {operation}"
        return f"{expression.attribute} {operation} {expression.value or ''}".rstrip()
    if operation == "date_spec":
        return "date " + " ".join(f"{k}={v}" for k, v in sorted((expression.date_spec or {}).items()))
    parts = [f"after {expression.start}"] * bool(expression.start) + [f"before {expression.end}"] * bool(
        expression.end
    )
    parts += [f"for {k}={v}" for k, v in sorted((expression.duration or {}).items())]
    return "date " + " ".join(parts)


def _colocation(colocation: Colocation) -> str:
    score = score_text(score_value(colocation.score))
    if colocation.sets:
        return f"together: {_sets(colocation.sets)} (score {score})"
    first = _with_role(colocation.resource or "", colocation.resource_role)
    second = _with_role(colocation.with_resource or "", colocation.with_role)
    attribute = f" by {colocation.node_attribute}" if colocation.node_attribute else ""
    return f"{first} with {second} (score {score}){attribute}"


def _with_role(name: str, role: str | None) -> str:
    return f"{role} {name}" if role else name


def _order(order: Order) -> str:
    notes = [order.kind or "Mandatory"] + ["asymmetrical"] * (order.symmetrical is False)
    if order.sets:
        return f"in order: {_sets(order.sets)} ({', '.join(notes)})"
    first = f"{order.first_action or 'start'} {order.first}"
    return (
        f"{first} then {order.then_action or order.first_action or 'start'} {order.then} ({', '.join(notes)})"
    )


def _ticket(ticket: Ticket) -> str:
    what = _with_role(ticket.resource or _sets(ticket.sets), ticket.role)
    loss = f", on loss {ticket.loss_policy}" if ticket.loss_policy else ""
    return f"{what} needs ticket {ticket.ticket}{loss}"


def _sets(sets: list[ResourceSet] | None) -> str:
    return " then ".join(f"set {' '.join(one.resources)}{_set_notes(one)}" for one in sets or ())


def _set_notes(one: ResourceSet) -> str:
    notes = [f"role={one.role}"] * bool(one.role) + [f"action={one.action}"] * bool(one.action)
    notes += ["unordered"] * (one.sequential is False) + ["any"] * (one.require_all is False)
    return f" ({', '.join(notes)})" if notes else ""
