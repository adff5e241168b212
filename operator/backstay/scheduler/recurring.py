"""Recurring monitors: run those that are configured where the resource is (or, with role Stopped, is not),
and cancel those that are no longer wanted.

A monitor is left alone if its node's history shows it running since the last start. In maintenance none
runs.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.changes import monitor_changed
from backstay.scheduler.operations import effective, on_fail_of
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import Activity, NodeView, Resource
from backstay.scheduler.verdicts import (
    OCF_DEGRADED,
    OCF_DEGRADED_PROMOTED,
    OCF_NOT_RUNNING,
    OCF_OK,
    OCF_PROMOTED,
)
from backstay.state.choices import OnFail, OpStatus, Role
from backstay.state.history import OpRecord
from backstay.state.resource import Operation


def plan_recurring(
    plan: Plan, resource: Resource, target: NodeView | None, *, start: Act | None, stops: list[Act]
) -> None:
    """Make monitors and cancellations for one primitive."""
    if resource.surplus or (resource.parent is not None and resource.parent.surplus):
        return  # it is stopped, or left alone
    wanted = [one for one in resource.operations if one.interval_ms > 0 and one.name != "cancel"]
    if not resource.orphan and not resource.maintained:
        for operation in wanted:
            if operation.enabled is False or _is_ambiguous(operation, wanted):
                continue
            if operation.role is Role.STOPPED:
                if not _is_anonymous(resource):  # where it is not any instance might be
                    _watch_stopped(plan, resource, operation, target, stops=stops)
            elif target is None or start is None or target.node.maintenance or resource.blocked:
                continue
            elif _fits_role(plan, resource, operation):
                _watch(plan, resource, operation, target, start=start)
    for activity in resource.noted:
        _cancel_unwanted(plan, resource, activity, target, wanted=wanted)


def _is_anonymous(resource: Resource) -> bool:
    clone = resource.clone
    return clone is not None and not clone.meta.raw.globally_unique


def _is_ambiguous(operation: Operation, among: list[Operation]) -> bool:
    """Two of one name and interval can not be told apart in a history: as in Pacemaker, neither is run, nor
    cancelled where it runs."""
    key = (operation.name, operation.interval_ms)
    return sum((one.name, one.interval_ms) == key for one in among) > 1


def _fits_role(plan: Plan, resource: Resource, operation: Operation) -> bool:
    return _is_for(operation, plan.placement.role.get(resource, Role.STARTED))


def _is_for(operation: Operation, role: Role) -> bool:
    """Monitors that name no role are for what runs unpromoted; `Started` is not the role of a promotable."""
    if operation.role is None:
        return role in (Role.STARTED, Role.UNPROMOTED)
    return operation.role is role


def _watch(plan: Plan, resource: Resource, operation: Operation, target: NodeView, *, start: Act) -> None:
    monitor = plan.actions.make(resource, operation.name, node=target, interval_ms=operation.interval_ms)
    monitor.timeout_ms = effective(
        plan.situation.state, resource, operation.name, operation.interval_ms
    ).timeout_ms
    activity = resource.activities.get(target.name)
    running = is_running(
        activity, operation.name, operation.interval_ms, ignoring=_ignores(plan, resource, operation)
    )
    record = last_record(activity, operation.name, operation.interval_ms)
    changed = running and record is not None and monitor_changed(plan.situation, resource, target, record)
    # One whose failure only demotes is left running, and goes on telling.
    repromoted = activity is not None and activity.on_fail is OnFail.DEMOTE
    monitor.required = start.required or changed or not (running or (repromoted and record is not None))
    if not target.online or target.unclean or target.node.pending:
        monitor.runnable = False
    role = plan.placement.role.get(resource)
    monitor.target_rc = 8 if role is Role.PROMOTED else None
    _after_role_change(plan, resource, monitor, target, renew=not repromoted)
    if resource.managed or resource.blocked:
        plan.actions.relate(start, monitor, Bond.NEEDS | Bond.PULLS_THEN)
    else:
        failed = record is not None and record.status in (OpStatus.DONE, OpStatus.ERROR) and not running
        monitor.required = changed or not (running or failed)  # nothing else is done to it
        monitor.runnable &= not plan.stops_for_quorum
    for reload in plan.actions.of(resource, "reload-agent"):
        plan.actions.relate(reload, monitor, Bond.PULLS_THEN)


def _after_role_change(
    plan: Plan, resource: Resource, monitor: Act, target: NodeView, *, renew: bool
) -> None:
    """A monitor is for one role: it begins (or is renewed) once that is taken."""
    promoted = plan.placement.role.get(resource) is Role.PROMOTED
    for act in plan.actions.of(resource, "promote" if promoted else "demote"):
        if act.node is target:
            bond = Bond.NEEDS | Bond.PULLS_THEN if renew else Bond.NEEDS
            plan.actions.relate(act, monitor, bond if act.runnable else Bond.ORDER)


def _watch_stopped(
    plan: Plan, resource: Resource, operation: Operation, target: NodeView | None, *, stops: list[Act]
) -> None:
    for node in plan.situation.nodes:
        if node is target or not node.online or node.unclean or node.node.pending or node.node.shutdown:
            continue
        if node.node.maintenance:
            continue
        if node in resource.active_on and not resource.managed:
            continue
        activity = resource.activities.get(node.name)
        running = is_running(activity, operation.name, operation.interval_ms)
        leaving = node in resource.active_on
        monitor = plan.actions.make(resource, operation.name, node=node, interval_ms=operation.interval_ms)
        monitor.target_rc = 7
        monitor.required = leaving or not running
        for stop in stops:
            if stop.node is node:
                plan.actions.relate(stop, monitor, Bond.NEEDS)
        probe = plan.actions.find(resource, "monitor", node=node)
        if probe is not None:
            plan.actions.relate(probe, monitor)


def _ignores(plan: Plan, resource: Resource, operation: Operation) -> bool:
    state = plan.situation.state
    return on_fail_of(state, resource, operation.name, operation.interval_ms) is OnFail.IGNORE


def is_running(activity: Activity | None, name: str, interval_ms: int, *, ignoring: bool = False) -> bool:
    """Whether the history shows this recurring operation as still being run, and succeeding or failing without that
    being minded."""
    record = last_record(activity, name, interval_ms)
    if record is None or activity is None:
        return False
    if record.status in (OpStatus.CANCELLED, OpStatus.PENDING):
        return False
    if ignoring and record.status in (OpStatus.DONE, OpStatus.ERROR):
        return since_last_stop(activity, record)
    rc = {OCF_DEGRADED: OCF_OK, OCF_DEGRADED_PROMOTED: OCF_PROMOTED}.get(record.rc, record.rc)
    good = rc == record.target_rc if record.target_rc is not None else rc in (OCF_OK, OCF_PROMOTED)
    # An agent's answer that is the expected one is no error, whatever the record calls it.
    expected = record.status is OpStatus.ERROR and record.rc == record.target_rc
    return good and (expected or record.status is OpStatus.DONE) and since_last_stop(activity, record)


def last_record(activity: Activity | None, name: str, interval_ms: int) -> OpRecord | None:
    """The latest record of an operation, copies for people left out."""
    if activity is None:
        return None
    for record in reversed(activity.records):
        if (record.operation, record.interval_ms) == (name, interval_ms) and not record.failure_record:
            return record
    return None


def since_last_stop(activity: Activity, record: OpRecord) -> bool:
    """A start or stop that came later ended it. Where the start is no longer on record, as only the last operation of
    its kind is kept, a promotion or demotion stands for it."""
    ending: tuple[str, ...] = ("stop", "start")
    if not any(one.operation == "start" for one in activity.records):
        ending = ("stop", "promote", "demote")
    for other in activity.records:
        if other.operation in ending and other.call_id > record.call_id and record.target_rc != 7:
            return False
    return True


def _cancel_unwanted(
    plan: Plan,
    resource: Resource,
    activity: Activity,
    target: NodeView | None,
    *,
    wanted: list[Operation],
) -> None:
    node = activity.node
    if not node.online or node.unclean or node.node.shutdown or resource.orphan:
        return
    if node not in resource.active_on and node is not target:
        return
    for record in activity.records:
        if record.interval_ms == 0 or record.failure_record or record.status is OpStatus.CANCELLED:
            continue
        if not _runs_since_last_stop(activity, record):
            continue
        if _still_wanted(plan, resource, record, node, target, wanted=wanted):
            continue
        leaves = node in resource.active_on and (node is not target or not _is_kept(resource, node))
        if leaves and not node.node.maintenance and (target is None or _is_configured(record, wanted)):
            continue  # the stop ends it
        _cancel(plan, resource, record, node)


def _runs_since_last_stop(activity: Activity, record: OpRecord) -> bool:
    """Whether its last result, or the copy kept of its last failure, is from after the last start
    or stop."""
    return any(
        since_last_stop(activity, one)
        for one in activity.records
        if (one.operation, one.interval_ms) == (record.operation, record.interval_ms)
    )


def _is_kept(resource: Resource, node: NodeView) -> bool:
    """Whether it would be left there if it were managed."""
    return not resource.maintained or node.usable


def _is_configured(record: OpRecord, wanted: list[Operation]) -> bool:
    return any((one.name, one.interval_ms) == (record.operation, record.interval_ms) for one in wanted)


def _still_wanted(
    plan: Plan,
    resource: Resource,
    record: OpRecord,
    node: NodeView,
    target: NodeView | None,
    *,
    wanted: list[Operation],
) -> bool:
    if (resource.meta.maintenance or node.node.maintenance) and node in resource.active_on:
        return False
    for operation in wanted:
        if (operation.name, operation.interval_ms) != (record.operation, record.interval_ms):
            continue
        if _is_ambiguous(operation, wanted):
            return True
        if operation.enabled is False:
            return False
        if operation.role is Role.STOPPED:
            return node is not target or record.status is OpStatus.PENDING or _is_anonymous(resource)
        role = plan.placement.role.get(resource, Role.STARTED)
        if node is not target or role is Role.STOPPED or _is_for(operation, role):
            return True
        stop = plan.actions.find(resource, "stop", node=node)
        if stop is not None and stop.required:
            return True  # the stop ends it
        return not is_running(resource.activities[node.name], record.operation, record.interval_ms)
    if node not in resource.active_on:
        return True
    return not plan.situation.properties.cancel_removed_actions


def _cancel(plan: Plan, resource: Resource, record: OpRecord, node: NodeView) -> None:
    cancel = plan.actions.make(resource, "cancel", node=node, interval_ms=record.interval_ms)
    cancel.required = True
    stop = plan.actions.find(resource, "stop", node=node)
    if stop is not None:
        plan.actions.relate(stop, cancel)
    for name in ("start",) if record.target_rc == OCF_NOT_RUNNING else ("promote", "demote"):
        change = plan.actions.find(resource, name, node=node)
        if change is not None:
            plan.actions.relate(
                cancel, change
            )  # made for the old role, it would take the new one for a failure
