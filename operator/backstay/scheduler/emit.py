"""Make the graph out of the acts that are required and can run.

Relations to acts that are left out are dropped: what is not going to happen is not waited for. Relations
that go around in a circle (orders that contradict each other) are broken, those without consequences first.
"""

import itertools

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.causes import Tie
from backstay.scheduler.graph_order import in_graph_order
from backstay.scheduler.operations import effective
from backstay.scheduler.params import params_for
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import RISING, is_begun
from backstay.scheduler.situation import Kind, Resource
from backstay.state.score import INFINITY
from backstay.transition.graph import Action, ActionKind, Graph

_MARK_OF = {"start": "start", "running": "start", "stop": "stop", "stopped": "stop"}
_MARK_OF |= {"promote": "promote", "promoted": "promote", "demote": "demote", "demoted": "demote"}


def emit(plan: Plan) -> tuple[Graph, list[Act]]:
    """The graph of everything that happens, in the order in which acts were made; and the act behind each of its actions."""
    chosen = [act for act in plan.actions.acts if act.happens]
    chosen = [act for act in chosen if not _is_superseded(plan, act)]
    real: set[tuple[Resource | None, str]] = {
        (act.resource, act.operation)
        for act in chosen
        if act.resource is not None and act.resource.kind is Kind.PRIMITIVE
    }
    chosen = in_graph_order(plan, [act for act in chosen if not _is_empty_mark(plan, act, real)])
    inputs = _without_circles(chosen)
    number = {act: position for position, act in enumerate(chosen)}
    graph = Graph(
        tuple(
            _action(plan, act, number[act], tuple(sorted(number[one] for one in inputs[act])))
            for act in chosen
        )
    )
    return graph, chosen


def ties_of(graph: Graph, acts: list[Act]) -> tuple[Tie, ...]:
    """Why each action waits for each of its inputs."""
    number = {act: position for position, act in enumerate(acts)}
    ties = []
    for action, act in zip(graph.actions, acts, strict=True):
        for first in action.inputs:
            causes = dict.fromkeys(
                relation.cause
                for relation in act.before
                if number.get(relation.first) == first and Bond.SILENT not in relation.bond
            )
            ties.append(Tie(first, action.id, tuple(causes)))
    return tuple(ties)


def _is_superseded(plan: Plan, act: Act) -> bool:
    """A reload of something that is restarted anyway."""
    if act.resource is None or act.operation != "reload-agent":
        return False
    start = plan.actions.find(act.resource, "start", node=act.node)
    return start is not None and start.required


def _is_empty_mark(plan: Plan, act: Act, real: set[tuple[Resource | None, str]]) -> bool:
    """A mark of a group none of whose members does anything."""
    if act.resource is None or act.resource.kind is Kind.PRIMITIVE or act.operation not in _MARK_OF:
        return False
    operation = _MARK_OF[act.operation]
    if act.recounted or is_begun(plan, act.resource, operation):
        return False
    if act.pulled and act.operation in RISING and act.resource.kind is Kind.GROUP:
        return not act.resource.meta.is_managed  # what comes before it made it begin
    return not any((leaf, operation) in real for leaf in act.resource.leaves())


def _without_circles(chosen: list[Act]) -> dict[Act, list[Act]]:
    members = set(chosen)
    edges: dict[Act, dict[Act, Bond]] = {act: {} for act in chosen}
    for act in chosen:
        for relation in act.before:
            if relation.first in members and Bond.SILENT not in relation.bond:
                edges[act][relation.first] = edges[act].get(relation.first, Bond.ORDER) | (
                    relation.bond & ~Bond.PLAIN
                )
    while circle := _circle(chosen, edges):
        then, first = min(
            circle, key=lambda pair: (edges[pair[0]][pair[1]] is not Bond.ORDER, -pair[0].sequence)
        )
        del edges[then][first]
    return {act: list(firsts) for act, firsts in edges.items()}


def _circle(chosen: list[Act], edges: dict[Act, dict[Act, Bond]]) -> list[tuple[Act, Act]]:
    """(then, first) pairs that form a circle; empty if there is none."""
    open_inputs = {act: len(edges[act]) for act in chosen}
    followers: dict[Act, list[Act]] = {act: [] for act in chosen}
    for act, firsts in edges.items():
        for first in firsts:
            followers[first].append(act)
    ready = [act for act in chosen if not open_inputs[act]]
    left = set(chosen)
    while ready:
        act = ready.pop()
        left.discard(act)
        for one in followers[act]:
            open_inputs[one] -= 1
            if not open_inputs[one]:
                ready.append(one)
    if not left:
        return []
    walk: list[Act] = [next(act for act in chosen if act in left)]
    while True:
        act = next(one for one in edges[walk[-1]] if one in left)
        if act in walk:
            ring = [*walk[walk.index(act) :], act]
            return list(itertools.pairwise(ring))
        walk.append(act)


def _action(plan: Plan, act: Act, number: int, inputs: tuple[int, ...]) -> Action:
    resource = act.resource
    kind = ActionKind.PSEUDO if act.pseudo else act.kind
    timeout_ms = act.timeout_ms
    params: dict[str, str] = {}
    meta: dict[str, str] = {}
    start_delay_ms = 0
    if resource is not None and resource.kind is Kind.PRIMITIVE and act.kind is ActionKind.RESOURCE:
        operation = effective(plan.situation.state, resource, act.operation, act.interval_ms)
        timeout_ms = timeout_ms or operation.timeout_ms
        start_delay_ms = operation.start_delay_ms
        if act.node is not None:
            params = params_for(plan.situation, resource, act.node) | dict(operation.params)
        meta = _meta(resource, operation.name)
        if act.partner is not None and act.node is not None:
            leaving = act.operation == "migrate_to"
            meta["migrate_source"] = act.node.name if leaving else act.partner.name
            meta["migrate_target"] = act.partner.name if leaving else act.node.name
    name = None if resource is None else resource.id
    return Action(
        id=number,
        kind=kind,
        operation=_said(act),
        key=_key(act),
        node=None if act.node is None else act.node.name,
        resource=name,
        xml_id=_known_as(act),
        base_id=None if resource is None else resource.base_id,
        agent=None if resource is None or resource.primitive is None else resource.agent,
        interval_ms=act.interval_ms,
        timeout_ms=timeout_ms or plan.situation.properties.default_action_timeout_ms,
        start_delay_ms=start_delay_ms,
        target_rc=act.target_rc,
        fencing_action=act.fencing_action,
        params=params,
        meta=meta,
        priority=INFINITY if act.kind is ActionKind.FENCING else 0,
        inputs=inputs,
        after_node_down=act.pseudo and act.node is not None,
    )


def _known_as(act: Act) -> str | None:
    """What its node calls the resource if that is not its id. In bookkeeping anonymous instances have no number."""
    resource = act.resource
    if resource is None:
        return None
    clone = resource.clone
    anonymous = clone is not None and not clone.meta.raw.globally_unique
    name = resource.base_id if act.kind is ActionKind.CLUSTER and anonymous else resource.node_name
    return None if name == resource.id else name


def _said(act: Act) -> str:
    """Notifications go by one name, whatever they are about."""
    return (
        "notify" if act.operation.startswith(("pre_notify_", "post_notify_")) and act.node else act.operation
    )


def _key(act: Act) -> str:
    if act.resource is None and act.kind is ActionKind.PSEUDO:
        return act.operation
    if act.resource is None:
        node = "" if act.node is None else act.node.name
        return (
            f"stonith-{node}-{act.fencing_action}"
            if act.kind is ActionKind.FENCING
            else f"{act.operation}-{node}"
        )
    name = act.resource.node_name if act.resource.kind is Kind.PRIMITIVE else act.resource.id
    return f"{name}_{act.operation}_{act.interval_ms}"


def _meta(resource: Resource, operation: str) -> dict[str, str]:
    meta = {"name": operation}
    clone = resource.clone
    if clone is not None:
        raw = clone.meta.raw
        for name, value in (
            ("clone_max", raw.clone_max),
            ("clone_node_max", raw.clone_node_max),
            ("globally_unique", raw.globally_unique),
            ("notify", raw.notify),
        ):
            if value is not None:
                meta[name] = str(value).lower()
        meta["clone"] = resource.id.rpartition(":")[2]
    return meta
