"""Place the instances of a clone.

An instance that runs stays where it is if it may; the others go, one by one, to the best node that has room. Which
number an anonymous instance has does not matter, so nothing is ever moved only to change numbers.
"""

from backstay.scheduler.assign import Assigner
from backstay.scheduler.contributions import Reason
from backstay.scheduler.promote import Promotion, add_wishes
from backstay.scheduler.situation import NodeView, Resource
from backstay.scheduler.tree import CloneSize, clone_size
from backstay.state.score import INFINITY


def assign_clone(assigner: Assigner, clone: Resource) -> None:
    """Place every instance."""
    for link in assigner.links.of_dependent(clone):
        assigner.assign(link.primary)
    size = clone_size(clone.meta.raw, nodes=len(clone.node_names))
    assigner.log("clone", clone)
    for child in clone.children:
        assigner.log("clone", child)
        for member in child.children:
            assigner.log("group", member)
    if size.promotable:
        add_wishes(assigner, clone)
    _Distribution(assigner, clone, size).run()
    assigner.placed[clone] = None
    if size.promotable:
        Promotion(assigner, clone, size).run()


class _Distribution:
    def __init__(self, assigner: Assigner, clone: Resource, size: CloneSize) -> None:
        self.assigner = assigner
        self.clone = clone
        self.size = size
        self.counts: dict[int, int] = {}
        self.assigned = 0
        usable = sum(1 for node in assigner.situation.nodes if node.usable and self._allows(node))
        if size.instances >= usable:
            assigner.everywhere.add(clone)
        self.optimal = max(1, min(size.per_node, size.instances // max(1, usable)))

    def _allows(self, node: NodeView) -> bool:
        return any(self._row(child)[node.index] > -INFINITY for child in self.clone.children)

    def _is_open(self, node: NodeView) -> bool:
        """Whether an instance may be there: what the clone as a whole does not like no stickiness makes up for."""
        return node.usable and self.assigner.scores.rows[self.clone][node.index] >= 0

    def _row(self, child: Resource) -> list[int]:
        return self.assigner.scores.rows[next(child.leaves())]

    def run(self) -> None:
        children = sorted(self.clone.children, key=self._precedence)
        for child in children:
            node = _current(child)
            if node is not None and not child.surplus and self._may_stay(child, node):
                self._stay(child, node)
        for child in children:
            if child not in self.assigner.placed:
                self._place(child)

    def _precedence(self, child: Resource) -> tuple[bool, bool, bool, int, int, int]:
        """Running ones first, those in most danger last, unless they may not stay where they are: then another takes the
        free place. Of the others the one that some node wants most."""
        node, row = _current(child), self._row(child)
        if node is None:
            best = max((row[at.index] for at in self.assigner.situation.nodes if at.usable), default=0)
            return (child.surplus, False, True, 0, -best, child.index)
        score = row[node.index]
        return (child.surplus, score < 0, False, _danger(node), -score, child.index)

    def _may_stay(self, child: Resource, node: NodeView) -> bool:
        return (
            self._is_open(node)
            and self.assigned < self.size.instances
            and self._row(child)[node.index] >= 0
            and self.counts.get(node.index, 0) < self.optimal
        )

    def _stay(self, child: Resource, node: NodeView) -> None:
        """Place it if its own best node is where it is, not counting nodes that another instance can take."""
        spare = self.size.instances - self.assigned
        taken: set[int] = set()
        while len(taken) < spare:
            best = self.assigner.would_choose(child, without=taken)
            if best is node:
                for other in self.assigner.situation.nodes:
                    if other.index in taken:
                        self._shut(child, other)
                self.assigner.settled.update(child.leaves())
                self._place(child)
                return
            if best is None:
                return
            taken.add(best.index)

    def _shut(self, child: Resource, node: NodeView) -> None:
        for leaf in child.leaves():
            self.assigner.scores.add(leaf, node, -INFINITY, reason=Reason.CLONE)

    def _place(self, child: Resource) -> None:
        if child.surplus or self.assigned >= self.size.instances:
            for leaf in child.leaves():
                self.assigner.scores.ban(leaf, reason=Reason.CLONE)
        else:
            for node in self.assigner.situation.nodes:
                if not self._is_open(node) or self.counts.get(node.index, 0) >= self.size.per_node:
                    self._shut(child, node)
        self.assigner.assign(child)
        places = self.assigner.places_of(next(child.leaves()))
        if places:  # a group takes its room even if only its first member found a place
            self.counts[places[0].index] = self.counts.get(places[0].index, 0) + 1
            self.assigned += 1


def _danger(node: NodeView) -> int:
    """How little can be counted on a node: 0 if it may be used, 1 if it is only to be left, 2 if it goes away."""
    if node.usable:
        return 0
    return 1 if node.online and not node.unclean and not node.node.shutdown else 2


def _current(child: Resource) -> NodeView | None:
    for leaf in child.leaves():
        if leaf.active_on:
            return leaf.active_on[0]
    return None
