"""Bookkeeping actions: forget failures that expired."""

from backstay.scheduler.actions import Act
from backstay.scheduler.plan import Plan
from backstay.transition.graph import ActionKind


def plan_failure_cleanup(plan: Plan) -> None:
    """Clear fail counts whose failure timeout has passed, on nodes that are there to do it."""
    for name, node_name in plan.ledger.places():
        node = plan.situation.node_by_name.get(node_name)
        instances = plan.situation.instances_of.get(name)
        if node is None or not node.online or node.unclean or not instances:
            continue
        resource = next((one for one in instances if plan.target(one) is node), instances[0])
        if resource.primitive is not None and plan.ledger.has_expired_counts(resource, node.name):
            act = plan.actions.add(
                Act(kind=ActionKind.CLUSTER, operation="clear_failcount", resource=resource, node=node)
            )
            act.required = True
            act.reason = "it expired"
