"""Utilization: what nodes have, what resources need, and who has to leave before another fits.

Only with a placement strategy other than the default. A resource goes only where it fits together with everything
that has to come along; its start waits until those that leave the node have left.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.assign import Assigner
from backstay.scheduler.contributions import Reason
from backstay.scheduler.locations import Scores
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import Kind, NodeView, Resource
from backstay.state.choices import NodeKind, PlacementStrategy
from backstay.state.score import INFINITY
from backstay.transition.graph import ActionKind

Load = dict[str, int]


class Capacity:
    """What is left on every node while resources are being placed."""

    def __init__(self, assigner: Assigner) -> None:
        self.assigner = assigner
        self.strategy = assigner.situation.properties.placement_strategy
        self.left: dict[int, Load] = {
            node.index: dict(node.node.utilization) for node in assigner.situation.nodes
        }
        self.roomiest: dict[Resource, NodeView] = {}  # for those whose company fits nowhere as a whole

    @property
    def matters(self) -> bool:
        return self.strategy is not PlacementStrategy.DEFAULT

    def restrict(self, resource: Resource) -> None:
        """Ban a resource from nodes where it, with all that has to come along, does not fit."""
        if not self.matters:
            return
        own = _load_of([resource])
        need = _load_of(self._company(resource))
        if not need:
            return
        usable = [
            node for node in self.assigner.situation.nodes if node.usable and self._allows(resource, node)
        ]
        fitting = [node for node in usable if self._fits(node, need)]
        if not fitting:
            need = own  # not all can be together; this one alone may still find a place, and others where most is left
            self._seek_room(resource, usable)
        for node in self.assigner.situation.nodes:
            if need and not self._fits(node, need):
                self.assigner.scores.add(resource, node, -INFINITY, reason=Reason.UTILIZATION)

    def _seek_room(self, resource: Resource, usable: list[NodeView]) -> None:
        if usable:
            self.roomiest[resource] = min(usable, key=lambda node: (self._most_left(node), node.name))

    def take(self, resource: Resource, node: NodeView) -> None:
        """Account for a placed resource."""
        left = self.left[node.index]
        for name, amount in _load_of([resource]).items():
            if name in left:
                left[name] -= amount

    def _allows(self, resource: Resource, node: NodeView) -> bool:
        return self.assigner.scores.rows[resource][node.index] > -INFINITY

    def _fits(self, node: NodeView, need: Load) -> bool:
        left = self.left[node.index]
        return all(left.get(name, 0) >= amount for name, amount in need.items())

    def _company(self, resource: Resource) -> list[Resource]:
        """The resource and every unplaced one that has to be with it."""
        found = [resource]
        for one in found:
            links = [*self.assigner.links.of_primary(one), *self.assigner.links.of_dependent(one)]
            for link in links:
                if link.score < INFINITY or link.attribute is not None:
                    continue
                other = link.dependent if link.primary in (one, one.parent) else link.primary
                for leaf in other.leaves() if other.kind is not Kind.CLONE else ():
                    if leaf not in found and leaf not in self.assigner.placed:
                        found.append(leaf)
        return found

    def _most_left(self, node: NodeView) -> tuple[int, ...]:
        return tuple(-amount for _, amount in sorted(self.left[node.index].items()))

    def preference(self, node: NodeView) -> tuple[int, ...]:
        """How good a node of equal score is, smaller is better: by what is left on it, and by how many it has."""
        match self.strategy:
            case PlacementStrategy.BALANCED:
                return (*self._most_left(node), node.count)
            case PlacementStrategy.MINIMAL:
                return ()
            case PlacementStrategy.DEFAULT | PlacementStrategy.UTILIZATION:
                return (node.count,)


def _load_of(resources: list[Resource]) -> Load:
    total: Load = {}
    for one in resources:
        if one.primitive is not None:
            for name, amount in one.primitive.utilization.items():
                total[name] = total.get(name, 0) + amount
    return total


def plan_load(plan: Plan, scores: Scores) -> None:
    """What starts on a node waits for what leaves it. Every node that something with a need could ever be on has its mark,
    whether or not anything is done."""
    if plan.situation.properties.placement_strategy is PlacementStrategy.DEFAULT:
        return
    marks: dict[str, Act] = {}
    members = [node for node in plan.situation.nodes if node.node.kind is NodeKind.MEMBER]
    for leaf in plan.situation.leaves():
        if leaf.primitive is None or not leaf.primitive.utilization or not leaf.managed:
            continue
        leader = (
            leaf.parent.children[0] if leaf.parent is not None and leaf.parent.kind is Kind.GROUP else leaf
        )
        for node in () if len(marks) == len(members) else members:
            if (leader, node.index) not in scores.opted_out:
                _mark(plan, marks, node)
        for stop in plan.actions.of(leaf, "stop"):
            if stop.node is not None:
                plan.actions.relate(stop, _mark(plan, marks, stop.node))
        for start in plan.actions.of(leaf, "start"):
            if start.node is not None:
                plan.actions.relate(_mark(plan, marks, start.node), start, Bond.ORDER)


def _mark(plan: Plan, marks: dict[str, Act], node: NodeView) -> Act:
    found = marks.get(node.name)
    if found is None:
        name = f"load_stopped_{node.name}"
        found = plan.actions.add(Act(kind=ActionKind.PSEUDO, operation=name, pseudo=True, required=True))
        marks[node.name] = found
    return found
