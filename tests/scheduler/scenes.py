"""Small clusters to schedule, written without XML."""

from collections.abc import Iterable

from backstay.scheduler import Transition, schedule
from backstay.state import (
    Agent,
    ClusterProperties,
    ClusterState,
    Constraint,
    FailCount,
    Group,
    Node,
    Operation,
    OpRecord,
    Primitive,
    Resource,
    ResourceHistory,
    ResourceMeta,
    primitives_of,
)
from backstay.transition import Action, ActionKind

NOW = 1_700_000_000.0
DUMMY = Agent.parse("ocf:backstay:Dummy")
NO_FENCING = ClusterProperties(fencing_enabled=False)


def primitive(name: str, meta: ResourceMeta | None = None, *, monitor_ms: int = 0) -> Primitive:
    operations = (Operation(name="monitor", interval_ms=monitor_ms),) if monitor_ms else ()
    return Primitive(id=name, agent=DUMMY, meta=meta or ResourceMeta(), operations=operations)


def group(name: str, *members: str) -> Group:
    return Group(id=name, members=tuple(primitive(one) for one in members))


def running(resource: str, node: str) -> ResourceHistory:
    """It was started there and has not been stopped."""
    return ResourceHistory(
        resource=resource, node=node, agent=DUMMY, operations=(OpRecord(operation="start", call_id=1),)
    )


def probed(resource: str, node: str) -> ResourceHistory:
    """It was looked for there and not found."""
    record = OpRecord(operation="monitor", call_id=1, rc=7, target_rc=7)
    return ResourceHistory(resource=resource, node=node, agent=DUMMY, operations=(record,))


def failed(resource: str, node: str, operation: str, *, rc: int = 1, interval_ms: int = 0) -> ResourceHistory:
    """It was started there, then this operation failed."""
    records = (
        OpRecord(operation="start", call_id=1),
        OpRecord(operation=operation, interval_ms=interval_ms, call_id=2, rc=rc, last_rc_change=NOW - 1),
    )
    return ResourceHistory(resource=resource, node=node, agent=DUMMY, operations=records)


def cluster(
    resources: Iterable[Resource],
    *,
    nodes: Iterable[Node | str] = ("n1", "n2"),
    histories: Iterable[ResourceHistory] = (),
    constraints: Iterable[Constraint] = (),
    fail_counts: Iterable[FailCount] = (),
    properties: ClusterProperties = NO_FENCING,
) -> ClusterState:
    """A state in which everything not mentioned was probed and not found."""
    resources = tuple(resources)
    views = tuple(Node(name=one) if isinstance(one, str) else one for one in nodes)
    known = {(one.node, one.resource): one for one in histories}
    for resource in resources:
        for one in primitives_of(resource):
            for node in views:
                if node.online:
                    known.setdefault((node.name, one.id), probed(one.id, node.name))
    return ClusterState(
        now=NOW,
        nodes=views,
        resources=resources,
        constraints=tuple(constraints),
        histories=tuple(known.values()),
        fail_counts=tuple(fail_counts),
        properties=properties,
    )


def places(transition: Transition) -> dict[str, str | None]:
    return {one.resource: one.node for one in transition.placements}


def done(transition: Transition) -> list[str]:
    """Everything that is really done, without marks: `stop fs n1`."""
    return [said(one) for one in transition.graph.actions if one.kind is not ActionKind.PSEUDO]


def said(action: Action) -> str:
    parts = [action.fencing_action or action.operation, action.resource, action.node]
    return " ".join(part for part in parts if part)


def order_of(transition: Transition, first: str, then: str) -> bool:
    """Whether the graph makes the one wait for the other, perhaps through others."""
    by_name = {said(one): one for one in transition.graph.actions}
    stack, seen = [by_name[then].id], set()
    while stack:
        one = stack.pop()
        for earlier in transition.graph.actions[one].inputs:
            if earlier == by_name[first].id:
                return True
            if earlier not in seen:
                seen.add(earlier)
                stack.append(earlier)
    return False


__all__ = [
    "DUMMY", "NOW", "cluster", "done", "failed", "group", "order_of", "places", "primitive", "probed", "running",
    "schedule",
]  # fmt: skip
