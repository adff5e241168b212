"""Where resources run, compared from step to step, to report moves, starts, recoveries and stops.

A place is a resource on a node. A clone is followed as a whole: its anonymous instances have no identity, so that an instance that
was only renumbered is no news. A node that has forgotten a resource's history (a refresh) says nothing about it until it was probed
again: such a place counts as it did before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from backstay.coordinator.story import StoryItem, Tale
from backstay.coordinator.trigger import Trigger
from backstay.scheduler.situation import Kind, Resource, Situation
from backstay.state.assemble_resources import ResourceIndex


@dataclass(frozen=True, slots=True)
class Places:
    """The nodes on which a resource was started with success."""

    nodes: tuple[str, ...]
    silent: frozenset[str] = frozenset()
    """Online nodes whose history does not say whether it runs there."""
    several: bool = False
    """Whether it may run on several nodes: a clone."""


class PlacementTracker:
    """One per DC term. `last_nodes` holds where each resource was by the statuses that an earlier DC published."""

    def __init__(self, last_nodes: Mapping[str, str]) -> None:
        self._last_node = dict(last_nodes)
        self._active: dict[str, tuple[str, ...]] | None = None
        self._left: dict[str, Trigger] = {}
        self._vacated: dict[str, dict[str, Trigger]] = defaultdict(dict)
        """Of clones: nodes that an instance left, and why, until another arrived somewhere or none will."""

    def update(
        self,
        places: Mapping[str, Places],
        index: ResourceIndex,
        *,
        reason: Trigger,
        settled: bool,
    ) -> list[StoryItem]:
        """What changed since the last look. `settled`: no transition is under way, so what is inactive stays so."""
        items: list[StoryItem] = []
        before = self._active
        now: dict[str, tuple[str, ...]] = {}
        for resource in sorted(places):
            place = places[resource]
            was = () if before is None else before.get(resource, ())
            where = tuple(sorted({*place.nodes, *(node for node in was if node in place.silent)}))
            now[resource] = where
            if place.several:
                found = self._spread(resource, was, where, reason, settled) if before is not None else []
            else:
                found = self._single(resource, was, where, reason, settled, fresh=before is None)
            items += [_about(item, resource, index) for item in found]
        self._active = now
        return items

    def _single(
        self,
        resource: str,
        was: tuple[str, ...],
        where: tuple[str, ...],
        reason: Trigger,
        settled: bool,
        *,
        fresh: bool,
    ) -> list[StoryItem]:
        if was and where != was:
            self._left[resource] = reason
        if len(where) == 1 and where != was:
            origin = self._last_node.get(resource, "")
            self._last_node[resource] = where[0]
            why = self._left.pop(resource, reason)
            if fresh and origin == where[0]:
                return []  # a new DC finds it where its predecessor had it
            return [_arrived(resource, origin, where[0], why)]
        if not where and settled and self._last_node.get(resource):
            origin = self._last_node.pop(resource)
            return [] if fresh else [_stopped(resource, origin, reason)]
        return []

    def _spread(
        self, resource: str, was: tuple[str, ...], where: tuple[str, ...], reason: Trigger, settled: bool
    ) -> list[StoryItem]:
        vacated = self._vacated[resource]
        vacated.update({node: reason for node in was if node not in where})
        items = []
        arrived = [node for node in where if node not in was]
        returned = [node for node in arrived if node in vacated]
        for node in returned:
            items.append(_arrived(resource, node, node, vacated.pop(node)))
        for node in [one for one in arrived if one not in returned]:
            origin = next(iter(vacated), "")
            items.append(_arrived(resource, origin, node, vacated.pop(origin, reason)))
        if settled:
            items += [_stopped(resource, node, why) for node, why in vacated.items()]
            vacated.clear()
        return items


def _stopped(resource: str, node: str, reason: Trigger) -> StoryItem:
    return StoryItem(tale=Tale.STOPPED, message=f"Stopped on {node}: {reason}", facts={"resource": resource})


def _arrived(resource: str, origin: str, node: str, reason: Trigger) -> StoryItem:
    facts: dict[str, str | int | float] = {
        "resource": resource,
        "from": origin,
        "to": node,
        "reason": reason.sentence,
        "cause": reason.cause.value,
    }
    if not origin:
        return StoryItem(tale=Tale.STARTED, message=f"Started on {node}", facts=facts)
    if origin == node:
        return StoryItem(tale=Tale.RECOVERED, message=f"Started again on {node}: {reason}", facts=facts)
    return StoryItem(tale=Tale.MOVED, message=f"Moved {origin} -> {node}: {reason}", facts=facts)


def _about(item: StoryItem, resource: str, index: ResourceIndex) -> StoryItem:
    """Add the object, and say whether this is an Event of its own."""
    ref = index.objects.get(resource)
    inline = ref is not None and ref.kind == "ResourceGroup" and resource in index.group_of
    return replace(
        item, subject=ref, event=not inline, message=f"{resource}: {item.message}" if inline else item.message
    )


def places_of(situation: Situation) -> dict[str, Places]:
    """The places of each primitive (a clone's instances together), of each group, and of each cloned group."""
    instances: dict[str, list[Resource]] = defaultdict(list)
    for leaf in situation.leaves():
        instances[_followed_as(leaf)].append(leaf)
    online = [node.name for node in situation.nodes if node.online]
    found = {name: _places(leaves, online) for name, leaves in instances.items()}
    for resource in situation.resources:
        if resource.kind is Kind.GROUP:
            found[resource.id] = _common([found[_followed_as(leaf)] for leaf in resource.leaves()])
        elif resource.children and resource.children[0].kind is Kind.GROUP:
            whole = _common([found[_followed_as(leaf)] for leaf in resource.children[0].leaves()])
            found[resource.id] = replace(whole, several=True)
    return found


def _followed_as(leaf: Resource) -> str:
    """An anonymous instance goes by the name that all instances have."""
    clone = leaf.clone
    unique = clone is not None and clone.meta.raw.globally_unique
    return leaf.id if unique else leaf.base_id


def _places(leaves: list[Resource], online: list[str]) -> Places:
    several = leaves[0].clone is not None and not leaves[0].clone.meta.raw.globally_unique
    nodes = {node.name for leaf in leaves for node in leaf.active_on if _has_started(leaf, node.name)}
    silent = {
        name for name in online if not any(name in leaf.activities or name in leaf.absent for leaf in leaves)
    }
    return Places(tuple(sorted(nodes)), frozenset(silent), several)


def _has_started(leaf: Resource, node: str) -> bool:
    """Whether the start there has ended, and ended well."""
    activity = leaf.activities[node]
    failed = activity.failed_record
    start_failed = activity.failed and failed is not None and failed.operation == "start"
    return activity.pending != "start" and not start_failed


def _common(members: list[Places]) -> Places:
    """Where all members run. One of which nothing is known for the moment leaves the group where it was."""
    if not members:
        return Places(())
    nodes = set(members[0].nodes).intersection(*(one.nodes for one in members))
    same = all(one.nodes == members[0].nodes for one in members) or members[0].several
    silent = frozenset().union(*(one.silent for one in members))
    return Places(tuple(sorted(nodes)) if same else (), silent, members[0].several)
