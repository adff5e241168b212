"""Choose which instances of a promotable clone are promoted.

An instance's own wish comes from its agent, as a node attribute `master-<resource>`; location constraints for the
promoted role add to it. The wishes on one node add up, and so do the scores of the clone as a whole: its own locations,
and where those would like it to be that are colocated with it, in whatever role. Then what is colocated with the
promoted instances has its say once more. It may make a node the last choice, but does not rule it out. Without any wish
(-1) an instance is never promoted.
"""

from backstay.numerals import attribute_score
from backstay.scheduler.assign import Assigner
from backstay.scheduler.colocations import Link
from backstay.scheduler.contributions import Entry, Reason
from backstay.scheduler.locations import Row, location_scores, targets_of
from backstay.scheduler.situation import NodeView, Resource
from backstay.scheduler.tickets import may_not_be_promoted
from backstay.scheduler.tree import CloneSize
from backstay.state.choices import NoQuorumPolicy, Requires, Role
from backstay.state.constraint import Location
from backstay.state.score import INFINITY, add

NO_WISH = -1
LAST_CHOICE = 1  # a weight that nothing which is wanted falls below


def wish_of(assigner: Assigner, child: Resource, node: NodeView) -> int:
    """How much an instance wants to be promoted on a node; NO_WISH if its agent said nothing."""
    wishes = [found for leaf in child.leaves() if (found := _attribute(assigner, leaf, node)) is not None]
    if not wishes:
        return NO_WISH
    total = 0
    for one in wishes:
        total = add(total, one)
    return total


def _attribute(assigner: Assigner, leaf: Resource, node: NodeView) -> int | None:
    clone = leaf.clone
    unique = clone is not None and bool(clone.meta.raw.globally_unique)
    if not unique and not _speaks_for(assigner, leaf, node):
        return None
    names = [leaf.id] if unique else [leaf.base_id, leaf.node_name]
    for name in names:
        value = node.node.attribute(f"master-{name}")
        if value is not None:
            return attribute_score(value)
    return None


def _speaks_for(assigner: Assigner, leaf: Resource, node: NodeView) -> bool:
    """Whether a node's wish is that of this instance, of all that are alike: of the one that runs there, of the one that
    was looked for there, and of those that were looked for nowhere; one that was looked for elsewhere only has no wish
    here, unless it is going there."""
    activity = leaf.activities.get(node.name)
    if node in leaf.active_on or (activity is not None and activity.known):
        return True
    if leaf.active_on:
        return assigner.placed.get(leaf) is node
    return not any(one.known and (one.node.online or one.node.unclean) for one in leaf.activities.values())


def _keeps_role(child: Resource) -> bool:
    """Whether it is promoted, and nobody is to change that."""
    leaf = next(child.leaves())
    return not leaf.managed and leaf.role is Role.PROMOTED


def add_wishes(assigner: Assigner, clone: Resource) -> None:
    """Instances prefer the nodes on which they want to be promoted."""
    for child in clone.children:
        for node in assigner.situation.nodes:
            wish = wish_of(assigner, child, node)
            if wish > 0:
                leaf = next(child.leaves())
                assigner.scores.add(leaf, node, wish, reason=Reason.PROMOTION)


class Promotion:
    """The choice for one clone."""

    def __init__(self, assigner: Assigner, clone: Resource, size: CloneSize) -> None:
        self.assigner = assigner
        self.clone = clone
        self.size = size
        self.wishes: dict[Resource, int] = {}
        self.weights: dict[int, int] = {}
        self.parts: list[
            Entry
        ] = []  # of instances, and of the clone's id what counts for all of them on a node

    def run(self) -> None:
        """Give every placed instance its role."""
        placed = [(child, places[0]) for child in self.clone.children if (places := self._places(child))]
        extra = self._location_scores()
        barred = may_not_be_promoted(self.assigner.situation)
        for child, node in placed:
            wish = wish_of(self.assigner, child, node)
            self._note(child, node, reason=Reason.PROMOTION, score=wish)
            if barred.intersection(child.leaves()):
                wish = -INFINITY
                self._note(child, node, reason=Reason.TICKET, score=wish)
            bonus = extra.get((child, node.index))
            self.wishes[child] = wish if bonus is None else add(wish, bonus)
        self._weigh(placed)
        self._mind_others()
        ranked = sorted(placed, key=lambda one: self._rank(*one))
        chosen: set[Resource] = set()
        per_node: dict[int, int] = {}
        for child, node in ranked:
            if len(chosen) < self.size.promoted and self._may_promote(child, node, per_node):
                chosen.add(child)
                per_node[node.index] = per_node.get(node.index, 0) + 1
        for child, node in placed:
            self.assigner.promotion_lines.append((child.id, node.name, self._final(child, node)))
            for leaf in child.leaves():
                self.assigner.roles[leaf] = Role.PROMOTED if child in chosen else Role.UNPROMOTED
        for child in self.clone.children:
            if not self._places(child):
                self.assigner.promotion_lines.append((child.id, "", -INFINITY))
        self.assigner.promotion_parts += self.parts

    def _note(self, of: Resource, node: NodeView, *, reason: Reason, score: int, source: str = "") -> None:
        self.parts.append((of.id, node.name, reason, source, score))

    def _places(self, child: Resource) -> list[NodeView]:
        return self.assigner.places_of(next(child.leaves()))

    def _location_scores(self) -> dict[tuple[Resource, int], int]:
        found: dict[tuple[Resource, int], int] = {}
        situation = self.assigner.situation
        for constraint in situation.state.constraints:
            if not isinstance(constraint, Location):
                continue
            targets = set(targets_of(situation, constraint.resource))
            children = [
                child for child in self.clone.children if child in targets or targets & set(child.leaves())
            ]
            if not children:
                continue
            for node, score in location_scores(situation, constraint, promoted=True):
                for child in children:
                    key = (child, node.index)
                    found[key] = add(found.get(key, 0), score)
                    self._note(child, node, reason=Reason.LOCATION, score=score, source=constraint.id)
        return found

    def _weigh(self, placed: list[tuple[Resource, NodeView]]) -> None:
        whole = self._whole()
        for node in dict.fromkeys(node for _, node in placed):
            self._note(self.clone, node, reason=Reason.CLONE, score=whole[node.index])
        for child, node in placed:
            wish = self.wishes[child]
            if wish >= 0 or wish <= -INFINITY:
                so_far = self.weights.get(node.index, whole[node.index])
                self.weights[node.index] = add(so_far, wish)

    def _whole(self) -> Row:
        """The scores of the clone as a whole. Those that follow it may attract it, not push it away."""
        row = self.assigner.scores.rows[self.clone]
        for link in self.assigner.links.of_primary(self.clone):
            if link.influences_primary():
                wished = self.assigner.with_wishes(row, link)
                row = [max(old, new) for old, new in zip(row, wished, strict=True)]
        return row

    def _mind_others(self) -> None:
        """Where the promoted role is tied to others: what it must follow, and what follows it."""
        for link in self.assigner.links.of_dependent(self.clone):
            if link.dependent_role is Role.PROMOTED:
                self._follow(link, self.assigner.places_in_role(link))
            elif link.dependent_role is Role.UNPROMOTED and link.score >= INFINITY:
                for node in self.assigner.places_in_role(link):
                    self.weights[node.index] = -INFINITY  # somebody has to stay unpromoted there
                    self._note(self.clone, node, reason=Reason.COLOCATION, score=-INFINITY, source=link.id)
        for link in self.assigner.links.of_primary(self.clone):
            if link.primary_role is Role.PROMOTED and link.influences_primary():
                self._be_followed(link)

    def _be_followed(self, link: Link) -> None:
        before = [self.weights.get(node.index, 0) for node in self.assigner.situation.nodes]
        after = self.assigner.with_wishes(before, link)
        for node in self.assigner.situation.nodes:
            old, new = before[node.index], after[node.index]
            if new < 0 and new != old and old > -INFINITY:
                new = LAST_CHOICE
            if new != old:
                self._note(
                    self.clone, node, reason=Reason.DEPENDENT, score=new - old, source=link.dependent.id
                )
            if node.index in self.weights or new:
                self.weights[node.index] = new

    def _follow(self, link: Link, places: list[NodeView]) -> None:
        for node in self.assigner.situation.nodes:
            if node in places:
                self.weights[node.index] = add(self.weights.get(node.index, 0), link.score)
                self._note(self.clone, node, reason=Reason.COLOCATION, score=link.score, source=link.id)
            elif link.score >= INFINITY:
                self.weights[node.index] = -INFINITY
                self._note(self.clone, node, reason=Reason.COLOCATION, score=-INFINITY, source=link.id)

    def _final(self, child: Resource, node: NodeView) -> int:
        if _keeps_role(child):
            return INFINITY
        wish = self.wishes[child]
        weight = self.weights.get(node.index)
        if weight is not None and weight >= INFINITY:
            return INFINITY  # it has to be promoted there, whatever its agent wishes
        if weight is None or (wish < 0 and weight > -INFINITY):
            return wish if weight is None or weight <= 0 or wish < 0 else weight
        return weight

    def _rank(self, child: Resource, node: NodeView) -> tuple[int, int, bool, int]:
        leaf = next(child.leaves())
        return (
            -self._final(child, node),
            -self.wishes[child],
            leaf.role is not Role.PROMOTED,
            child.index,
        )

    def _may_promote(self, child: Resource, node: NodeView, per_node: dict[int, int]) -> bool:
        """A group is promoted as a whole: not while a member has no place."""
        if not all(self.assigner.places_of(leaf) for leaf in child.leaves()):
            return False
        leaf = next(child.leaves())
        if not leaf.managed:
            return _keeps_role(child)
        if self._is_held_back(leaf) or (node.node.starts_nothing and leaf.role is not Role.PROMOTED):
            return False
        if self.clone.meta.target_role is Role.UNPROMOTED or leaf.meta.target_role is Role.UNPROMOTED:
            return False
        if per_node.get(node.index, 0) >= self.size.promoted_per_node:
            return False
        return self._final(child, node) >= 0 and node.usable

    def _is_held_back(self, leaf: Resource) -> bool:
        """Without quorum nobody keeps the role, or nobody new gets it, if that is the policy."""
        state = self.assigner.situation.state
        if state.have_quorum:
            return False
        match state.properties.no_quorum_policy:
            case NoQuorumPolicy.DEMOTE:
                return bool(leaf.active_on) and leaf.meta.requires is not Requires.NOTHING
            case NoQuorumPolicy.FREEZE:
                return leaf.role is not Role.PROMOTED
            case _:
                return False
