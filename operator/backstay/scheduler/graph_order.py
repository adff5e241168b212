"""In which order a graph lists its actions: as Pacemaker's does, resource by resource.

The order has no say in what waits for what; but whoever carries a graph out action by action meets ready ones in this
order, and whoever compares two graphs wants it to be the same each time. Members come before their group and
instances before their clone, resources of higher priority first; of one resource, what was decided last comes first.
Decisions are made in phases: bookkeeping, then probes, then what starts and stops. Fencing and leave-taking follow the
resources.
"""

from backstay.scheduler.actions import Act
from backstay.scheduler.changes import Change, definition_change
from backstay.scheduler.cleanup import EXPIRED
from backstay.scheduler.plan import Plan
from backstay.scheduler.recurring import last_record, since_last_stop
from backstay.scheduler.situation import Activity, Kind, Resource
from backstay.state.choices import OpStatus


def in_graph_order(plan: Plan, acts: list[Act]) -> list[Act]:
    """The same acts, sorted."""
    position = _positions(plan)
    reading = {node.name: turn for turn, node in enumerate(plan.situation.state.nodes)}

    def key(act: Act) -> tuple[int, tuple[int, ...]]:
        place = len(position) if act.resource is None else position.get(act.resource, len(position))
        return place, tuple(-part for part in _rank(plan, act, reading))

    return sorted(acts, key=key)


def _positions(plan: Plan) -> dict[Resource, int]:
    found: dict[Resource, int] = {}

    def visit(resource: Resource) -> None:
        if resource.kind is Kind.GROUP:
            found[resource] = len(found)
        for child in resource.children:
            visit(child)
        found.setdefault(resource, len(found))

    for resource in sorted(plan.situation.resources, key=lambda one: -one.meta.priority):
        visit(resource)
    return found


def _rank(plan: Plan, act: Act, reading: dict[str, int]) -> tuple[int, ...]:
    """The later, the greater."""
    if act.resource is None:
        return (0, 0, int(act.fencing_action != "on"), act.sequence)
    if act.resource.kind is not Kind.PRIMITIVE:
        return (0, 0, 0, act.sequence)
    early = _rank_while_reading(plan, act, act.resource)
    if early is not None and act.node is not None:
        return (0, reading.get(act.node.name, len(reading)), early, act.sequence)
    if act.operation == "monitor" and not act.interval_ms:
        return (1, 0, 0, act.sequence)
    return (2, 0, _STEPS.get(act.operation, len(_STEPS)), act.sequence)


_STEPS = {"demote": 0, "stop": 1, "start": 2, "promote": 3, "monitor": 4}


def _rank_while_reading(plan: Plan, act: Act, resource: Resource) -> int | None:
    """What the history alone calls for is known while it is read, node by node: recurring operations in it, the
    restart or reload of what is defined differently today, forgetting failures, stopping what failed."""
    activity = None if act.node is None else resource.activities.get(act.node.name)
    match act.operation:
        case "clear_failcount":
            return 0 if act.reason == EXPIRED else 4
        case "cancel":
            return 1
        case "reload-agent":
            return 2
        case "delete":
            return 3
    if activity is None or act.node is None or not activity.active:
        return None
    if act.interval_ms:
        return 1 if _is_going_on(activity, act) else None
    if act.operation == "start":
        changed = definition_change(plan.situation, resource, act.node) is Change.RESTART
        return 2 if changed and not activity.obsolete else None
    if act.operation == "stop":
        return 2 if activity.obsolete else 5 if activity.failed else None
    return None


def _is_going_on(activity: Activity, act: Act) -> bool:
    record = last_record(activity, act.operation, act.interval_ms)
    return (
        record is not None
        and record.status not in (OpStatus.PENDING, OpStatus.CANCELLED)
        and since_last_stop(activity, record)
    )
