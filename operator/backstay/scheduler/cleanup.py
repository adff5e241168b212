"""Bookkeeping actions: forget failures that expired."""

from backstay.scheduler.actions import Act
from backstay.scheduler.changes import Change, definition_change
from backstay.scheduler.operations import configured
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.transition.graph import ActionKind


def plan_failure_cleanup(plan: Plan) -> None:
    """Clear fail counts whose failure timeout has passed, on nodes that are there to do it."""
    for name, node_name in plan.ledger.places():
        node = plan.situation.node_by_name.get(node_name)
        instances = plan.situation.instances_of.get(name)
        if node is None or not node.online or node.unclean or not instances:
            continue
        resource = next((one for one in instances if plan.target(one) is node), instances[0])
        if resource.primitive is None:
            continue
        disabled = _is_of_disabled_operation(plan, resource, node)
        expired = disabled or plan.ledger.has_expired_counts(resource, node.name)
        if expired or (resource.managed and _is_redefined(plan, resource, node)):
            act = plan.actions.add(
                Act(kind=ActionKind.CLUSTER, operation="clear_failcount", resource=resource, node=node)
            )
            act.required = True
            act.reason = "it expired" if expired else "the definition changed"
            for start in plan.actions.of(resource, "start"):
                if start.node is node and not expired:
                    plan.actions.relate(act, start)


def _is_of_disabled_operation(plan: Plan, resource: Resource, node: NodeView) -> bool:
    """Whether all that failed is an operation that is not run any more."""
    counts = plan.ledger.tally(resource, node.name).counts
    found = [configured(resource, one.operation, one.interval_ms) for one in counts]
    return bool(found) and all(one is not None and one.enabled is False for one in found)


def _is_redefined(plan: Plan, resource: Resource, node: NodeView) -> bool:
    activity = resource.activities.get(node.name)
    if activity is None or plan.ledger.tally(resource, node.name).total <= 0:
        return False
    if activity.obsolete:
        return True
    return node in resource.active_on and definition_change(plan.situation, resource, node) is Change.RESTART
