"""What a transition means for every resource: start, stop, move, recover, restart, and for nodes: fence."""

from collections.abc import Iterator

from backstay.scheduler.actions import Act
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.scheduler.transition import Change, Verb
from backstay.state.choices import Role


def summarize(plan: Plan) -> tuple[Change, ...]:
    """Fenced nodes first, then resources in configuration order."""
    changes = [
        Change(
            verb=Verb.FENCE,
            to_node=act.node.name,
            reason=act.reason,
            fencing_action=act.fencing_action or "",
        )
        for act in reversed([*plan.fencing.values(), *plan.unfencing])
        if act.node is not None
    ]
    for leaf in plan.situation.leaves():
        if leaf.managed:
            changes += _changes_of(plan, leaf)
    return tuple(changes)


def _changes_of(plan: Plan, leaf: Resource) -> Iterator[Change]:
    target = plan.target(leaf)
    start = None if target is None else plan.actions.find(leaf, "start", node=target)
    if start is not None and start.inhibited:
        target = start = None
    if not leaf.active_on:
        if start is not None and start.required:
            yield Change(
                verb=Verb.START,
                resource=leaf.id,
                to_node=_name(target),
                to_role=plan.placement.role.get(leaf),
                reason=_because(start),
                blocked=not start.runnable,
            )
        return
    if target is None or start is None or (start.required and not start.runnable):
        yield from _stops(plan, leaf, start)
        return
    if target in leaf.active_on:
        yield from _stays(plan, leaf, target, start)
        return
    current = leaf.active_on[0]
    stop = plan.actions.find(leaf, "stop", node=current)
    yield Change(
        verb=Verb.RECOVER if leaf.failed else Verb.MOVE,
        resource=leaf.id,
        from_node=current.name,
        to_node=target.name,
        from_role=leaf.role,
        to_role=leaf.role,
        reason=_because(start, stop),
        blocked=stop is not None and not stop.runnable,
    )


def _stops(plan: Plan, leaf: Resource, start: Act | None) -> Iterator[Change]:
    for node in leaf.active_on:
        stop = plan.actions.find(leaf, "stop", node=node)
        if stop is None or not stop.required:
            continue
        yield Change(
            verb=Verb.STOP,
            resource=leaf.id,
            from_node=node.name,
            from_role=leaf.role,
            to_role=Role.STOPPED,
            reason=_because(start, stop) if start is not None else _because(stop),
            blocked=not stop.runnable,
        )


def _stays(plan: Plan, leaf: Resource, target: NodeView, start: Act) -> Iterator[Change]:
    stop = plan.actions.find(leaf, "stop", node=target)
    reload = plan.actions.find(leaf, "reload-agent", node=target)
    pending = leaf.activities[target.name].pending == "start"
    if start.required and pending and (stop is None or not stop.required):
        return  # it is being started already; that is only done again to be sure
    if start.required:
        yield Change(
            verb=Verb.RECOVER if leaf.failed else Verb.RESTART,
            resource=leaf.id,
            from_node=target.name,
            to_node=target.name,
            from_role=leaf.role,
            to_role=leaf.role,
            reason=_because(start, stop),
            blocked=not start.runnable,
        )
    elif reload is not None and reload.required:
        yield Change(
            verb=Verb.RELOAD,
            resource=leaf.id,
            from_node=target.name,
            to_node=target.name,
            from_role=leaf.role,
            to_role=leaf.role,
            reason=reload.reason,
        )


def _because(*acts: Act | None) -> str:
    for act in acts:
        if act is not None and act.reason:
            return act.reason
    return ""


def _name(node: NodeView | None) -> str | None:
    return None if node is None else node.name
