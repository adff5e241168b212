"""Which resources have to do with one another: by orders, colocations, groups, clones and the room on a node.

Direct neighbours only: what stands between two others is in the graph itself. Names are configured ids of primitives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay.state.choices import PlacementStrategy
from backstay.state.cluster import ClusterState
from backstay.state.constraint import Colocation, ColocationSet, Order, OrderSet
from backstay.state.resource import Clone, Group, Resource, primitives_of


class Relations:
    """Of one state. Answers are worked out when somebody asks: few resources are in flight."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._ordered: dict[str, frozenset[str]] = {}
        self._colocated: dict[str, frozenset[str]] = {}

    @property
    def rationed(self) -> bool:
        """Whether nodes have room for so much only."""
        return self._state.properties.placement_strategy is not PlacementStrategy.DEFAULT

    def anonymous(self, base: str) -> bool:
        """Whether it is cloned, and its instances are all alike."""
        return any(
            isinstance(one, Clone) and one.is_anonymous and base in _names(one)
            for one in self._state.resources
        )

    def ordered(self, base: str) -> frozenset[str]:
        """What an order ties to it, and what is in its group or clone."""
        if base not in self._ordered:
            self._ordered[base] = frozenset(self._family(base) | self._neighbours(base, (Order, OrderSet)))
        return self._ordered[base]

    def colocated(self, base: str) -> frozenset[str]:
        """What a colocation ties to it, or keeps away from it."""
        if base not in self._colocated:
            self._colocated[base] = frozenset(self._neighbours(base, (Colocation, ColocationSet)))
        return self._colocated[base]

    def _family(self, base: str) -> set[str]:
        return {
            one.id
            for resource in self._state.resources
            if isinstance(resource, (Group, Clone)) and base in _names(resource)
            for one in primitives_of(resource)
        }

    def _neighbours(self, base: str, kinds: tuple[type, ...]) -> set[str]:
        mine = {name for resource in self._state.resources for name in _own_names(resource, base)} | {base}
        found: set[str] = set()
        for constraint in self._state.constraints:
            if isinstance(constraint, kinds):
                ends = list(_ends(constraint))
                if mine.intersection(ends):
                    found.update(ends)
        return {one for name in found for one in self._leaves(name)} - {base}

    def _leaves(self, name: str) -> Iterable[str]:
        for resource in self._state.resources:
            if resource.id == name or (isinstance(resource, Clone) and resource.child.id == name):
                return [one.id for one in primitives_of(resource)]
        return [name]


def _names(resource: Resource) -> set[str]:
    return {one.id for one in primitives_of(resource)}


def _own_names(resource: Resource, base: str) -> Iterator[str]:
    """The resource's ids, if the primitive is in it."""
    if base in _names(resource):
        yield resource.id
        if isinstance(resource, Clone):
            yield resource.child.id


def _ends(constraint: object) -> Iterator[str]:
    match constraint:
        case Order():
            yield from (constraint.first, constraint.then)
        case Colocation():
            yield from (constraint.dependent, constraint.primary)
        case OrderSet() | ColocationSet():
            for one in constraint.sets:
                yield from one.members
        case _:
            return
