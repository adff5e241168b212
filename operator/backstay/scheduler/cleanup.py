"""Bookkeeping actions: forget failures that expired, or that today's definition of the resource can no longer tell of.

The copy that a node keeps of a failed start or monitor holds the digest of the parameters it was run with. With other
parameters it might have worked, so the fail count is cleared, whether or not there is one yet.
"""

from backstay.scheduler.actions import Act
from backstay.scheduler.changes import Change, definition_change, failed_with_other_params
from backstay.scheduler.operations import configured
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.transition.graph import ActionKind

EXPIRED = "it expired"


def plan_failure_cleanup(plan: Plan) -> None:
    """Clear fail counts whose failure timeout has passed, on nodes that are there to do it."""
    for name, node_name in _places(plan):
        node = plan.situation.node_by_name.get(node_name)
        instances = plan.situation.instances_of.get(name)
        if node is None or not node.online or node.unclean or not instances:
            continue
        resource = next((one for one in instances if plan.target(one) is node), instances[0])
        if resource.primitive is None:
            continue
        disabled = _is_of_disabled_operation(plan, resource, node)
        expired = disabled or plan.ledger.has_expired_counts(resource, node.name)
        redefined = resource.managed and _is_redefined(plan, resource, node)
        if expired or redefined or _failed_with_other_params(plan, instances, node):
            act = plan.actions.add(
                Act(kind=ActionKind.CLUSTER, operation="clear_failcount", resource=resource, node=node)
            )
            act.required = True
            act.reason = EXPIRED if expired else "the definition changed"


def _places(plan: Plan) -> list[tuple[str, str]]:
    """(configured resource id, node) of whatever has a count or a failure on record."""
    failed = {
        (leaf.base_id, name)
        for leaf in plan.situation.leaves()
        if not leaf.orphan
        for name, activity in leaf.activities.items()
        if any(record.failure_record for record in activity.records)
    }
    return sorted(failed.union(plan.ledger.places()))


def _failed_with_other_params(plan: Plan, instances: list[Resource], node: NodeView) -> bool:
    return any(failed_with_other_params(plan.situation, one, node) for one in instances)


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
    return node in resource.active_on and definition_change(plan.situation, resource, node) is not Change.NONE
