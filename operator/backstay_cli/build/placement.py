"""What will pull at a resource once a move is over: location constraints, stickiness. Pure.

A move leaves nothing behind, so what was written before still holds. `pull` asks the scheduler what it would do next; `lasting` says
in a sentence what that means for where the resource is now, and, for nodes that are away, what may come later.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.api.quantities import score_text, score_value
from backstay.numerals import INFINITY
from backstay.scheduler import schedule
from backstay.scheduler.transition import Change, Verb
from backstay_cli.live_state import NodeLabels, live_assembly
from backstay_cli.view import Target, TargetKind, View, targets


def stickiness(view: View, target: Target) -> int:
    """Effective resource-stickiness: of a group the sum over its members, as Pacemaker adds it up."""
    default = view.cluster.spec.resource_defaults.resource_stickiness
    group = target.group.spec.meta.resource_stickiness if target.group is not None else None
    if target.kind is TargetKind.GROUP and target.group is not None:
        metas = {
            r.metadata.name: r.spec.meta for r in view.resources if r.metadata.namespace == target.namespace
        }
        own = []
        for member in target.group.spec.members:
            meta = member.template.meta if member.template else metas.get(member.resource or "")
            own.append(meta.resource_stickiness if meta is not None else None)
        values = [_first(value, group, default) for value in own]
        return min(INFINITY, sum(values))
    alone = target.template.meta.resource_stickiness if target.template else None
    return _first(alone, group, default)


def preferences(view: View, target: Target) -> Iterator[tuple[str, int, str]]:
    """(node, score, constraint) of plain location constraints on a target, or on a member of it or its group."""
    names = {target.id, target.name}
    if target.group is not None:
        names |= {target.group.resource_id, target.group.metadata.name}
        names |= {m.resource or m.name or "" for m in target.group.spec.members}
    for constraint in view.constraints:
        location = constraint.spec.location
        if (
            location is None
            or location.resource not in names
            or location.node is None
            or location.score is None
        ):
            continue
        yield location.node, score_value(location.score), constraint.metadata.name


def pull(view: View, target: Target, *, node_labels: NodeLabels) -> Change | None:
    """What the scheduler would do next to a resource (or to any member of a group), if it would not leave it where it is."""
    ids = {target.id}
    if target.kind is TargetKind.GROUP:
        ids = {t.id for t in targets(view) if t.group is target.group}
    transition = schedule(live_assembly(view, node_labels=node_labels).state)
    away = (Verb.MOVE, Verb.MIGRATE, Verb.STOP)
    return next((c for c in transition.changes if c.resource in ids and c.verb in away), None)


def lasting(view: View, target: Target, node: str, *, change: Change | None) -> str:
    """Whether the resource will stay on `node`. `change` is what `pull` found."""
    sticky = stickiness(view, target)
    here = sum(score for where, score, _ in preferences(view, target) if where == node)
    rivals = [(score, where, name) for where, score, name in preferences(view, target) if where != node]
    online = {n.metadata.name for n in view.nodes if n.status.state == "Online"}
    best = max(rivals, default=None)
    if best is not None and best[0] > here + sticky:
        score, where, name = best
        when = "will go back there" if where in online else f"will go there once {where} is online"
        return (
            f"it will not stay: the constraint {name} prefers {where} with {score_text(score)}, and "
            f"resource-stickiness is {score_text(sticky)}, so it {when}"
        )
    if change is not None:
        where = f" to {change.to_node}" if change.to_node and change.to_node != node else ""
        reason = f" due to {change.reason}" if change.reason else ""
        return f"it will not stay: the cluster is about to {change.verb.value.lower()} it{where}{reason}"
    if sticky <= 0:
        return (
            "resource-stickiness is 0: it may move again when the cluster balances its load; "
            "set meta resource-stickiness (or spec.resourceDefaults of the HACluster) to keep things where they are"
        )
    return f"it stays there (resource-stickiness {score_text(sticky)}); nothing was left behind"


def _first(*values: int | str | None) -> int:
    return next((score_value(value) for value in values if value is not None), 0)
