"""Probes: find out what runs on a node before anything is decided for good.

A node is probed for every resource whose state there no result tells. Nodes that are away, unclean, pending
or excluded from discovery are not.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.locations import Scores
from backstay.scheduler.operations import effective
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import Kind, NodeView, Resource
from backstay.state.choices import Discovery, NodeKind


def plan_probes(plan: Plan, scores: Scores) -> None:
    """A probe of every resource on every node that needs one, before its start."""
    if not plan.situation.properties.enable_startup_probes:
        return
    open_to_all = frozenset(node.name for node in plan.situation.nodes if _can_probe(node))
    wanting: dict[str, list[Resource]] = {name: [] for name in open_to_all}
    for (
        leaf
    ) in plan.situation.leaves():  # of nearly all of them nearly all nodes have said that they do not have it
        for name in open_to_all.difference(leaf.absent):
            wanting[name].append(leaf)
    for node in plan.situation.nodes:
        for leaf in wanting.get(node.name, ()):
            if _needs_probe(plan, scores, leaf, node):
                _probe(plan, leaf, node)


def order_probes(plan: Plan) -> None:
    """What waits for a resource's stop waits for its probes too: they may find another copy to stop. And what would
    restart because it needs the resource is not stopped before the probes: they may find the resource running."""
    for leaf in plan.situation.leaves():
        probes = [act for act in plan.actions.of(leaf, "monitor") if act.required]
        if not probes:
            continue
        for then in plan.after_stop_of.get(leaf, ()):
            for probe in probes:
                plan.actions.relate(probe, then)
        for stop in plan.actions.of(leaf, "stop"):
            for relation in list(stop.after):
                other = relation.then.resource
                if other is not None and other is not leaf:
                    for probe in probes:
                        plan.actions.relate(probe, relation.then)
        for stop in (*_stops_of_dependents(plan, leaf), *_stops_of_earlier(plan, leaf)):
            for probe in probes:
                plan.actions.relate(probe, stop)


def _stops_of_dependents(plan: Plan, leaf: Resource) -> list[Act]:
    """The stops of everything whose start waits for the start of this, directly or through others."""
    seen: set[Act] = set()
    clone = leaf.clone
    stack = list(plan.actions.of(leaf, "start") if clone is None else plan.actions.of(clone, "running"))
    while stack:
        for relation in stack.pop().after:
            then = relation.then
            if then not in seen and then.operation in _RISING and Bond.NEEDS in relation.bond:
                seen.add(then)
                stack.append(then)
    found = sorted((act for act in seen if act.operation == "start"), key=lambda act: act.sequence)
    return [
        stop
        for act in found
        if act.resource is not None and act.resource.kind is Kind.PRIMITIVE and act.resource is not leaf
        for stop in plan.actions.of(act.resource, "stop")
        if not stop.pseudo
    ]


def _stops_of_earlier(plan: Plan, leaf: Resource) -> list[Act]:
    """The stops of earlier instances of an ordered clone: they come after those of later ones."""
    clone = leaf.clone
    if clone is None or not clone.meta.raw.ordered:
        return []
    family = plan.situation.instances_of[leaf.base_id]
    return [stop for one in family[: family.index(leaf)] for stop in plan.actions.of(one, "stop")]


_RISING = ("start", "running")


def _can_probe(node: NodeView) -> bool:
    return (
        (node.online or node.node.pending)
        and not node.unclean
        and node.node.discovery
        and node.node.kind is NodeKind.MEMBER
    )


def _needs_probe(plan: Plan, scores: Scores, leaf: Resource, node: NodeView) -> bool:
    if leaf.orphan or leaf.container is not None:
        return False
    if leaf.is_known_on(node):
        return False
    discovery = scores.discovery.get((leaf, node.index)) or scores.discovery.get((leaf.top, node.index))
    if leaf in scores.exclusive or leaf.top in scores.exclusive:
        return discovery is Discovery.EXCLUSIVE
    if discovery is Discovery.NEVER:
        return False
    if leaf.clone is not None and not leaf.clone.meta.raw.globally_unique:
        return _is_prober(plan, leaf, node)
    return True


def _is_prober(plan: Plan, leaf: Resource, node: NodeView) -> bool:
    """One instance of an anonymous clone asks for all: the one placed on the node, else the one whose group has another
    member there (though one too many does not ask), else the first."""
    siblings = plan.situation.instances_of[leaf.base_id]
    if any(one.is_known_on(node) for one in siblings):
        return False
    for one in siblings:
        if plan.target(one) is node:
            return one is leaf
    for one in siblings:
        group = one.parent if one.parent is not one.clone else None
        if group is not None and any(node in member.active_on for member in group.children):
            return one is leaf and not one.surplus
    return leaf is siblings[0]


def _probe(plan: Plan, leaf: Resource, node: NodeView) -> None:
    probe = plan.actions.make(leaf, "monitor", node=node)
    probe.required = True
    probe.runnable = not node.node.pending
    probe.target_rc = 0 if node in leaf.active_on else 7
    probe.timeout_ms = effective(plan.situation.state, leaf, "monitor", 0).timeout_ms
    clone = leaf.clone
    if clone is not None:
        for name in ("start", "stopped"):
            for mark in plan.actions.of(clone, name):
                plan.actions.relate(probe, mark)
    family = [leaf] if leaf.clone is None else plan.situation.instances_of[leaf.base_id]
    for one in family:
        for start in plan.actions.of(one, "start"):
            if leaf.clone is None or one is leaf or start.node is node or leaf.clone.meta.raw.globally_unique:
                # What runs already is not stopped because a node that is joining can not be asked yet.
                plan.actions.relate(probe, start, Bond.NEEDS | Bond.NEW_ONLY)
    for monitor in plan.actions.recurring(leaf):
        if monitor.node is node and monitor.target_rc == 7:
            plan.actions.relate(probe, monitor)
