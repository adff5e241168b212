"""Who wants to be with whom: the colocations of a cluster as links between the scheduler's resources.

Members of a group are linked to the one before, with INFINITY. A constraint on a group as dependent is its
first member's; a constraint on a group as primary counts for its last member, since that one has all others
with it.
"""

from dataclasses import dataclass
from itertools import pairwise

from backstay.scheduler.situation import Kind, Resource, Situation
from backstay.scheduler.tree import every
from backstay.state.choices import Role
from backstay.state.constraint import Colocation, ColocationSet, ResourceSet
from backstay.state.score import INFINITY


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """The dependent wants to be (score > 0) or not to be (score < 0) with the primary."""

    id: str
    dependent: Resource
    primary: Resource
    score: int
    dependent_role: Role | None = None
    primary_role: Role | None = None
    attribute: str | None = None
    influence: bool | None = None

    @property
    def mandatory(self) -> bool:
        return abs(self.score) >= INFINITY

    @property
    def factor(self) -> float:
        return self.score / INFINITY

    def influences_primary(self) -> bool:
        """Whether the dependent's wishes may move the primary."""
        if self.influence is not None:
            return self.influence
        return self.dependent.meta.critical


class Colocations:
    """Links, found by either end."""

    def __init__(self, situation: Situation) -> None:
        self._as_dependent: dict[Resource, list[Link]] = {}
        self._as_primary: dict[Resource, list[Link]] = {}
        self.links: list[Link] = []
        for constraint in situation.state.constraints:
            if isinstance(constraint, Colocation):
                self._link(situation, constraint)
            elif isinstance(constraint, ColocationSet):
                for one in expand_set(constraint):
                    self._link(situation, one)
        for resource in every(situation):
            if resource.kind is Kind.GROUP:
                for first, second in pairwise(resource.children):
                    self._add(Link(id="#group-members", dependent=second, primary=first, score=INFINITY))
        for leaf in situation.leaves():
            if leaf.container is not None and leaf.container.parent is not (leaf.parent or leaf):
                self._add(Link(id="#container", dependent=leaf, primary=leaf.container, score=INFINITY))
        self._dependent_cache: dict[Resource, list[Link]] = {}
        self._primary_cache: dict[Resource, list[Link]] = {}

    def of_dependent(self, resource: Resource) -> list[Link]:
        """Links in which the resource follows another, the most important primary first."""
        found = self._dependent_cache.get(resource)
        if found is None:
            found = list(self._as_dependent.get(resource, ()))
            found += self._inherited(resource, first=True)
            found.sort(key=lambda link: (-link.primary.meta.priority, link.id))
            self._dependent_cache[resource] = found
        return found

    def of_primary(self, resource: Resource) -> list[Link]:
        """Links in which another follows the resource, the most important dependent first."""
        found = self._primary_cache.get(resource)
        if found is None:
            found = list(self._as_primary.get(resource, ()))
            found += self._inherited(resource, first=False)
            found.sort(key=lambda link: (-link.dependent.meta.priority, link.id))
            self._primary_cache[resource] = found
        return found

    def _inherited(self, resource: Resource, *, first: bool) -> list[Link]:
        parent = resource.parent
        if parent is None:
            return []
        links = self.of_dependent(parent) if first else self.of_primary(parent)
        if parent.kind is Kind.CLONE:
            return links
        end = parent.children[0] if first else parent.children[-1]
        if resource is not end:
            return [link for link in links if link.mandatory]
        return links + self._of_later_members(parent) if first else links

    def _of_later_members(self, group: Resource) -> list[Link]:
        """Where a later member has to be, the first one has to go already."""
        return [
            link
            for member in group.children[1:]
            for link in self._as_dependent.get(member, ())
            if link.primary.parent is not group
        ]

    def _link(self, situation: Situation, constraint: Colocation) -> None:
        dependent = situation.by_id.get(constraint.dependent)
        primary = situation.by_id.get(constraint.primary)
        if dependent is None or primary is None or not constraint.score:
            return
        self._add(
            Link(
                id=constraint.id,
                dependent=dependent,
                primary=primary,
                score=constraint.score,
                dependent_role=constraint.dependent_role,
                primary_role=constraint.primary_role,
                attribute=constraint.node_attribute,
                influence=constraint.influence,
            )
        )

    def _add(self, link: Link) -> None:
        self.links.append(link)
        self._as_dependent.setdefault(link.dependent, []).append(link)
        self._as_primary.setdefault(link.primary, []).append(link)


def expand_set(constraint: ColocationSet) -> list[Colocation]:
    """Pairs of a set constraint. Inside a sequential set each member is with the one before it; with a negative score
    it avoids every one before it, so that no two meet. Of two neighbouring sets, the members of the first are with
    those of the second."""
    pairs: list[Colocation] = []
    for one in constraint.sets:
        score = constraint.score if one.score is None else one.score
        if one.sequential and score >= 0:
            for primary, dependent in pairwise(one.members):
                pairs.append(_pair(constraint, (one, dependent), (one, primary), score))
        elif one.sequential:
            for position, dependent in enumerate(one.members):  # each avoids all others
                for primary in one.members[:position]:
                    pairs.append(_pair(constraint, (one, dependent), (one, primary), score))
    for dependents, primaries in pairwise(constraint.sets):
        pairs += _between(constraint, dependents, primaries)
    return pairs


def _between(constraint: ColocationSet, dependents: ResourceSet, primaries: ResourceSet) -> list[Colocation]:
    """A sequential set meets its neighbour with one end: its first member leads it, its last carries all."""
    inner = dependents.members[:1] if dependents.sequential else dependents.members
    outer = primaries.members[-1:] if primaries.sequential else primaries.members
    return [
        _pair(constraint, (dependents, dependent), (primaries, primary), constraint.score)
        for dependent in inner
        for primary in outer
    ]


def _pair(
    constraint: ColocationSet,
    dependent: tuple[ResourceSet, str],
    primary: tuple[ResourceSet, str],
    score: int,
) -> Colocation:
    return Colocation(
        id=constraint.id,
        dependent=dependent[1],
        primary=primary[1],
        score=score,
        dependent_role=dependent[0].role,
        primary_role=primary[0].role,
        influence=constraint.influence,
    )
