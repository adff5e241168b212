"""A constraint in a line, for its status."""

from __future__ import annotations

from backstay.api import HAConstraint


def constraint_line(item: HAConstraint) -> str:
    """`cluster-ip prefers n1 (100)`."""
    spec = item.spec
    if spec.location is not None:
        where = spec.location
        what = where.resource or where.resource_pattern or "a set"
        if where.node is None:
            return f"{what}: location by rule"
        score = str(where.score)
        verb = "avoids" if score.startswith("-") else "prefers"
        return f"{what} {verb} {where.node} ({score})"
    if spec.colocation is not None:
        pair = spec.colocation
        if pair.sets:
            return f"colocation of sets ({pair.score})"
        return f"{pair.resource} with {pair.with_resource} ({pair.score})"
    if spec.order is not None:
        order = spec.order
        if order.sets:
            return "order of sets"
        first = f"{order.first_action or 'start'} {order.first}"
        return f"{first} then {order.then_action or order.first_action or 'start'} {order.then}"
    return f"{spec.ticket.resource or 'a set'} needs ticket {spec.ticket.ticket}" if spec.ticket else ""
