"""The status of a cluster from its objects: a View in, a StatusDocument out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay.api import Condition, HANode, HAResource, ResourceGroup, ResourceMeta
from backstay.api.base import Resource
from backstay.api.quantities import timestamp
from backstay.api.resource import CloneSpec, FailCountStatus
from backstay_cli.render.status_model import (
    FORM,
    Counts,
    DcStatus,
    FailedAction,
    FencingEvent,
    NodeStatus,
    Place,
    Problem,
    ResourceStatus,
    StatusDocument,
    TransitionStatus,
)
from backstay_cli.view import Target, TargetKind, View, missing_members, targets


def status_document(view: View) -> StatusDocument:
    """Everything `status` shows."""
    cluster = view.cluster
    resources = _resources(view)
    return StatusDocument(
        api_version=FORM,
        cluster=view.name,
        last_updated=timestamp(view.now),
        dc=_dc(view),
        quorum=cluster.status.quorum,
        maintenance_mode=cluster.spec.properties.maintenance_mode,
        fencing_enabled=cluster.spec.properties.stonith_enabled,
        last_transition=_last_transition(view),
        counts=_counts(view, resources),
        nodes=tuple(_node(view, node) for node in view.nodes),
        resources=resources,
        failed_actions=_failed_actions(view),
        fencing=_fencing_of_note(fencing_events(view)),
        operators=tuple(cluster.status.operators),
        problems=tuple(_problems(view)),
    )


def instances(resource: ResourceStatus, *, nodes: int, clone_max: int | None) -> int:
    """How many instances a resource counts for, as pcs counts them."""
    inner = (
        sum(instances(m, nodes=nodes, clone_max=None) for m in resource.members) if resource.members else 1
    )
    copies = clone_max if clone_max is not None else nodes
    return inner * (copies if resource.kind == "clone" else 1)


def _dc(view: View) -> DcStatus:
    status = view.cluster.status
    lease = view.lease(f"dc-{view.name}")
    alive = None if lease is None else bool(lease.holder) and lease.fresh
    return DcStatus(
        name=status.dc or (lease.holder if lease else ""),
        since=status.dc_since,
        epoch=status.epoch,
        alive=alive,
        silent_seconds=lease.age_s if lease is not None and not alive else None,
    )


def _node(view: View, node: HANode) -> NodeStatus:
    lease = view.lease(f"node-{node.metadata.name}")
    return NodeStatus(
        name=node.metadata.name,
        state=node.status.state,
        reason=node.status.reason,
        dc=node.status.dc,
        resources=node.status.resources,
        agent_version=node.status.agent_version,
        agent_alive=lease is not None and lease.agent_alive,
        heartbeat_age_seconds=None if lease is None or lease.age_s is None else round(lease.age_s, 3),
        heartbeat_fresh=lease is not None and lease.fresh,
        watchdog=node.status.watchdog,
    )


def _last_transition(view: View) -> TransitionStatus | None:
    newest = max(view.transitions, key=lambda t: (t.spec.epoch, t.spec.number), default=None)
    if newest is not None:
        return TransitionStatus(
            number=newest.spec.number,
            phase=newest.status.phase,
            trigger=newest.spec.trigger,
            time=newest.status.finished or newest.status.started,
            summary=tuple(newest.status.summary),
        )
    last = view.cluster.status.last_transition
    if last is None:
        return None
    return TransitionStatus(
        number=last.number, phase=last.phase, trigger=last.trigger, time=last.time, summary=()
    )


def _resources(view: View) -> tuple[ResourceStatus, ...]:
    """What stands alone, and each group with its members, in the order of `targets`."""
    found: list[ResourceStatus] = []
    members: list[Target] = []
    everything = list(targets(view))
    for target in everything:
        match target.kind:
            case TargetKind.GROUP:
                members = [
                    t for t in everything if t.kind is not TargetKind.GROUP and t.group is target.group
                ]
                found.append(_group(target, members, view))
            case TargetKind.RESOURCE if target.group is None and target.resource is not None:
                found.append(_resource(target.resource, None))
            case _:
                pass
    return tuple(found)


def _resource(resource: HAResource, group: ResourceGroup | None) -> ResourceStatus:
    status, meta = resource.status, resource.spec.meta
    group_meta = group.spec.meta if group is not None else ResourceMeta()
    role = status.role or ("" if status.cluster else "Unseen")
    return ResourceStatus(
        id=resource.resource_id,
        kind=_kind(resource.spec.clone, "resource"),
        namespace=resource.metadata.namespace or "",
        name=resource.metadata.name,
        agent=resource.spec.agent,
        role=role or "Stopped",
        active=tuple(Place(node=a.node, role=a.role) for a in status.active)
        or tuple(Place(node=node, role=role) for node in status.node.split()),
        disabled=_disabled(meta, group_meta),
        managed=_managed(meta, group_meta) and status.managed is not False,
        maintenance=bool(meta.maintenance or group_meta.maintenance),
        blocked=bool(status.blocked),
        failures=status.failures,
        failed_on=_failed_on(status.fail_counts),
        promotable=bool(resource.spec.clone and resource.spec.clone.promotable),
        why=status.why,
        members=(),
    )


def _failed_on(counts: Iterable[FailCountStatus]) -> tuple[str, ...]:
    return tuple(sorted({one.node for one in counts}))


def _group(target: Target, members: list[Target], view: View) -> ResourceStatus:
    group = target.group
    assert group is not None
    meta = group.spec.meta
    rows = [
        _resource(member.resource, group) if member.resource is not None else _inline(member, group)
        for member in members
    ]
    absent = missing_members(group, view.resources)
    why = group.status.why or (f"there is no HAResource {', '.join(absent)}" if absent else "")
    return ResourceStatus(
        id=target.id,
        kind=_kind(group.spec.clone, "group"),
        namespace=target.namespace,
        name=target.name,
        agent="",
        role=group.status.role or ("Stopped" if group.status.cluster else "Unseen"),
        active=tuple(Place(node=a.node, role=a.role) for a in group.status.active)
        or tuple(Place(node=node, role=group.status.role) for node in group.status.node.split()),
        disabled=_disabled(meta, ResourceMeta()),
        managed=_managed(meta, ResourceMeta()),
        maintenance=bool(meta.maintenance),
        blocked=False,
        failures=group.status.failures,
        failed_on=_failed_on(group.status.fail_counts),
        promotable=bool(group.spec.clone and group.spec.clone.promotable),
        why=why,
        members=tuple(rows),
    )


def _inline(member: Target, group: ResourceGroup) -> ResourceStatus:
    assert member.template is not None
    status = next((m for m in group.status.members if m.name == member.id), None)
    role = status.role if status is not None and status.role else ""
    nodes = status.node.split() if status is not None else []
    return ResourceStatus(
        id=member.id,
        kind="resource",
        namespace=member.namespace,
        name="",
        agent=member.agent,
        role=role or ("Stopped" if group.status.cluster else "Unseen"),
        active=tuple(Place(node=node, role=role) for node in nodes),
        disabled=_disabled(member.template.meta, group.spec.meta),
        managed=_managed(member.template.meta, group.spec.meta),
        maintenance=bool(member.template.meta.maintenance or group.spec.meta.maintenance),
        blocked=False,
        failures=status.failures if status is not None else 0,
        failed_on=(),
        promotable=False,
        why="",
        members=(),
    )


def _kind(clone: CloneSpec | None, otherwise: str) -> str:
    return otherwise if clone is None else "clone"


def _disabled(meta: ResourceMeta, inherited: ResourceMeta) -> bool:
    return (meta.target_role or inherited.target_role) == "Stopped"


def _managed(meta: ResourceMeta, inherited: ResourceMeta) -> bool:
    return (meta.is_managed if meta.is_managed is not None else inherited.is_managed) is not False


def _counts(view: View, resources: tuple[ResourceStatus, ...]) -> Counts:
    clone_max = {r.resource_id: r.spec.clone.max for r in view.resources if r.spec.clone is not None}
    clone_max |= {g.resource_id: g.spec.clone.max for g in view.groups if g.spec.clone is not None}
    nodes = len(view.nodes)

    def total(rows: Iterator[ResourceStatus]) -> int:
        return sum(instances(row, nodes=nodes, clone_max=clone_max.get(row.id)) for row in rows)

    primitives = [leaf for row in resources for leaf in (row.members or (row,)) if leaf.agent]
    return Counts(
        nodes=nodes,
        resource_instances=total(row for row in resources if row.agent or row.members),
        disabled=total(row for row in primitives if row.disabled),
        blocked=total(row for row in primitives if row.blocked),
    )


def _failed_actions(view: View) -> tuple[FailedAction, ...]:
    found = [
        FailedAction(
            resource=failure.resource,
            operation=failure.operation,
            interval_ms=failure.interval_ms,
            node=plan.metadata.name,
            count=failure.count,
            rc=failure.rc,
            status=failure.status,
            reason=failure.reason,
            call=failure.call_id,
            last_failure=failure.last_failure,
            exec_ms=failure.exec_ms,
        )
        for plan in view.plans
        for failure in plan.status.failures
    ]
    return tuple(sorted(found, key=lambda f: (f.resource, f.operation, f.interval_ms, f.node)))


def fencing_events(view: View) -> tuple[FencingEvent, ...]:
    """Fencings of all nodes, newest first: the history of each, or where it has none, what ended its last boot."""
    found: list[FencingEvent] = []
    for node in view.nodes:
        fenced = node.status.fenced
        found += [
            FencingEvent(
                node=node.metadata.name,
                action=one.action,
                by=one.by,
                time=one.time,
                why=one.why,
                failure="" if one.succeeded else one.message or "it failed",
            )
            for one in node.status.fencing_history
        ]
        by_hand = fenced is not None and not any(
            one.succeeded and one.by == fenced.by for one in node.status.fencing_history
        )
        if fenced is not None and by_hand:
            found.append(
                FencingEvent(node=node.metadata.name, action=fenced.action, by=fenced.by, time=fenced.time)
            )
    return tuple(sorted(found, key=lambda event: (event.time, event.node), reverse=True))


def _fencing_of_note(events: tuple[FencingEvent, ...]) -> tuple[FencingEvent, ...]:
    """Of each node the last success, and what failed since."""
    settled: set[str] = set()
    kept = []
    for event in events:
        if event.node not in settled:
            kept.append(event)
        if not event.failure:
            settled.add(event.node)
    return tuple(kept)


def _problems(view: View) -> Iterator[Problem]:
    """Conditions that say no, object by object, and what could not be read."""
    conditions: list[tuple[Resource, list[Condition]]] = [
        (view.cluster, view.cluster.status.conditions),
        *((node, node.status.conditions) for node in view.nodes),
        *((resource, resource.status.conditions) for resource in view.resources),
        *((group, group.status.conditions) for group in view.groups),
        *((constraint, constraint.status.conditions) for constraint in view.constraints),
        *((device, device.status.conditions) for device in view.fence_devices),
    ]
    for obj, found in conditions:
        for condition in found:
            told = condition.reason in _TOLD_ELSEWHERE
            if _is_trouble(condition.type, condition.status) and condition.message and not told:
                of = f"{obj.info.kind} {obj.key}"
                yield Problem(of=of, reason=condition.reason, message=condition.message)
    for warning in view.warnings:
        yield Problem(of="", reason="Unreadable", message=warning)


_STATES = (
    "Starting Stopping Promoting Demoting Started Stopped Promoted Unpromoted Failed Blocked Partial Disabled"
)
_NODE_STATES = "Online Standby Maintenance Pending Unclean Offline"
_TOLD_ELSEWHERE = frozenset((*_STATES.split(), *_NODE_STATES.split(), "NotScheduled", "NodeUnclean"))
"""Reasons of conditions that only repeat a state which stands in the lists of nodes and resources, with its reason."""

_GOOD_WHEN_TRUE = ("Ready", "Accepted", "Quorum", "Valid", "Unique", "Scheduled")


def _is_trouble(type_: str, status: str) -> bool:
    return status == "False" if type_ in _GOOD_WHEN_TRUE else status == "True"
