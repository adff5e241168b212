"""The parameters an agent is called with on a node: the resource's own, its parents', and those under
rules."""

from backstay.scheduler.locations import node_facts
from backstay.scheduler.situation import NodeView, Resource, Situation
from backstay.state.resource import Clone, Group, Primitive
from backstay.state.resource import Resource as Configured
from backstay.state.rule_match import Facts, matches


def params_for(situation: Situation, resource: Resource, node: NodeView) -> dict[str, str]:
    """Instance attributes as they apply on this node."""
    primitive = resource.primitive
    assert primitive is not None
    params: dict[str, str] = {}
    if primitive.param_sets:
        facts = Facts(
            now=situation.state.now,
            attribute=node_facts(situation, node, primitive.id).attribute,
            agent=primitive.agent,
        )
        for one in primitive.param_sets:
            if one.rule is not None and matches(one.rule, facts):
                for name, value in one.values.items():
                    params.setdefault(name, value)
    for name, value in primitive.params.items():
        params.setdefault(name, value)
    for name, value in _inherited(situation, resource).items():
        params.setdefault(name, value)
    return params


def _inherited(situation: Situation, resource: Resource) -> dict[str, str]:
    if resource.parent is None:
        return {}
    configured = situation.configured.get(resource.top.base_id)
    return {} if configured is None else _own_and_below(configured)


def _own_and_below(configured: Configured) -> dict[str, str]:
    match configured:
        case Group():
            return dict(configured.params)
        case Clone():
            inner = {} if isinstance(configured.child, Primitive) else dict(configured.child.params)
            return {**configured.params, **inner}
        case _:
            return {}
