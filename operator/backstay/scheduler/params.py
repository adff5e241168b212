"""The parameters an agent is called with on a node: the resource's own, its parents', and those under
rules."""

from collections.abc import Callable

from backstay.scheduler.situation import NodeView, Resource, Situation
from backstay.state.resource import Clone, Group, Primitive
from backstay.state.resource import Resource as Configured
from backstay.state.rule_match import Facts, matches


def attributes_of(situation: Situation, node: NodeView) -> Callable[[str], str | None]:
    """A node's attributes as rules ask for them, the built-in ones among them."""
    state = situation.state

    def attribute(name: str) -> str | None:
        match name:
            case "#is_dc":
                return "true" if state.dc == node.name else "false"
            case "#cluster-name":
                return state.cluster_name or None
            case _:
                return node.node.attribute(name)

    return attribute


def params_for(situation: Situation, resource: Resource, node: NodeView) -> dict[str, str]:
    """Instance attributes as they apply on this node."""
    primitive = resource.primitive
    assert primitive is not None
    params: dict[str, str] = {}
    if primitive.param_sets:
        facts = Facts(
            now=situation.state.now,
            attribute=attributes_of(situation, node),
            agent=primitive.agent,
        )
        for one in primitive.param_sets:
            if one.rule is None or matches(one.rule, facts):
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
