"""Which starts need not wait for which fencing.

Pacemaker lets whatever requires fencing wait until every lost node is cut off, because it cannot know what is running there. A slow
fence device so holds up the whole cluster. This DC knows more: it wrote every order. What a lost node was known not to run when it
was heard last, and was sent no order for since, it does not run; such a start goes on at once.

That is known only of nodes that have answered this DC. Of the others, and of clones with an instance there, everything is in doubt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from backstay.coordinator.membership import Membership
from backstay.coordinator.orders import PlanBook
from backstay.scheduler import Transition
from backstay.scheduler.situation import Situation
from backstay.transition.graph import Action, ActionKind, Graph

_MAY_ACTIVATE = ("start", "promote", "migrate_from")
_RELEASED = ("start", "promote")


class Doubts:
    """One per DC term. `look` at every judgement, before orders to lost nodes are forgotten."""

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._sent: dict[str, set[str]] = defaultdict(set)

    def look(self, membership: Membership, book: PlanBook, flying: Iterable[tuple[str, str, str]]) -> None:
        """Note who has answered, and what was sent since. `flying`: node, operation and resource of all that is in flight."""
        sent: dict[str, set[str]] = defaultdict(set)
        for node, operation, resource in flying:
            if operation in _MAY_ACTIVATE:
                sent[node].add(resource)
        for name, view in membership.nodes.items():
            sent[name] |= {one.resource for one in book.holds(name).values() if one.verb in _MAY_ACTIVATE}
            if view.usable:
                self._answered.add(name)
                self._sent[name] = sent[name]
            else:  # what it was sent before it fell silent may have begun
                self._sent[name] |= sent[name]

    def loosen(self, transition: Transition, situation: Situation) -> Transition:
        """The transition without inputs by which a start waits for the fencing of a node that cannot run it."""
        graph = transition.graph
        fences = {
            action.id: action.node or ""
            for action in graph.actions
            if action.kind is ActionKind.FENCING and action.node in self._answered
        }
        if not fences:
            return transition
        actions = tuple(self._loosened(action, fences, situation) for action in graph.actions)
        return replace(transition, graph=Graph(actions))

    def _loosened(self, action: Action, fences: dict[int, str], situation: Situation) -> Action:
        if action.kind is not ActionKind.RESOURCE or action.operation not in _RELEASED:
            return action
        kept = tuple(
            one
            for one in action.inputs
            if one not in fences
            or action.node == fences[one]
            or self._may_run(action, fences[one], situation)
        )
        return action if kept == action.inputs else replace(action, inputs=kept)

    def _may_run(self, action: Action, node: str, situation: Situation) -> bool:
        base = action.base_id or (action.resource or "").partition(":")[0]
        if any(one.partition(":")[0] == base for one in self._sent.get(node, ())):
            return True
        view = situation.node_by_name[node]
        instances = situation.instances_of.get(base, [])
        return not instances or any(
            view in one.active_on or view in one.dangling or not one.is_known_on(view) for one in instances
        )
