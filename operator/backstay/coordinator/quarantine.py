"""Quarantine: objects for which a step of the DC raises, found by trial and kept out until they change.

Everything that is known to be wrong in an object is told by assembly and verification, and never raises. This is for what is
not known yet: a fault of this program that one object brings to light must not stop the cluster. A resource or group
in quarantine is held back, a constraint or device is left out, an HANode counts without its attributes and requests, and a plan
as if it could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from backstay.api import (
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlan,
    HANodeSpec,
    HAResource,
    Resource,
    ResourceGroup,
)
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.placeholder import Key, key_of, stripped_group, stripped_resource

Trial = Callable[[Objects], Exception | None]
"""What a step over these objects raises."""

CULPRITS_MAX = 8
"""Objects that one failed step may put into quarantine."""
RETRY_S = 30.0
RETRY_MAX_S = 600.0
CODE = "Quarantined"


@dataclass(frozen=True, slots=True)
class _Entry:
    problem: Problem
    version: tuple[str, object]
    retry_at: float
    pause_s: float


class Quarantine:
    """Of one cluster; outlives the terms of its DC."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._good: Objects | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is in quarantine, and why."""
        return tuple(self._entries[key].problem for key in sorted(self._entries))

    def admit(self, objects: Objects, trial: Trial, now: float) -> Objects:
        """The objects without those in quarantine. One that has changed is tried apart before it takes part again."""
        if not self._entries:
            return objects
        present = {key_of(item): item for item in _every(objects)}
        for key in list(self._entries):
            entry = self._entries[key]
            item = present.get(key)
            if item is None:
                del self._entries[key]
            elif _version(item) != entry.version and now >= entry.retry_at:
                rest = [one for one in self._entries if one != key]
                if trial(without(objects, rest)) is None:
                    del self._entries[key]
                else:
                    pause_s = min(RETRY_MAX_S, 2 * entry.pause_s)
                    self._entries[key] = replace(
                        entry, version=_version(item), retry_at=now + pause_s, pause_s=pause_s
                    )
        return without(objects, self._entries)

    def passed(self, objects: Objects) -> None:
        """A step over these objects returned."""
        self._good = objects

    def examine(self, objects: Objects, trial: Trial, error: Exception, now: float) -> tuple[Problem, ...]:
        """A step over these objects, none of them in quarantine, raised. Finds the objects at fault, as far as that can be
        repeated, and puts them into quarantine; the answer names them, or the cluster where no object is to blame."""
        first = trial(objects)
        if first is None:
            return (_unattributed(objects.cluster, error, "it did not happen again on trial"),)
        found: list[Problem] = []
        left = objects
        for _ in range(CULPRITS_MAX):
            raised = trial(left)
            if raised is None:
                break
            culprit = _culprit(left, self._good, trial)
            if culprit is None:
                found.append(_unattributed(objects.cluster, raised, "no single object is at fault"))
                break
            problem = _quarantined(culprit, raised)
            found.append(problem)
            self._entries[key_of(culprit)] = _Entry(problem, _version(culprit), now, RETRY_S)
            left = without(objects, self._entries)
        return tuple(found)


def without(objects: Objects, keys: Collection[Key]) -> Objects:
    """The objects with these in quarantine."""
    if not keys:
        return objects
    held = frozenset(key for key in keys if key[0] in (HAResource.info.kind, ResourceGroup.info.kind))

    def is_out(item: Resource) -> bool:
        return key_of(item) in keys

    return replace(
        objects,
        nodes=tuple(_plain_node(one) if is_out(one) else one for one in objects.nodes),
        resources=tuple(stripped_resource(one) if is_out(one) else one for one in objects.resources),
        groups=tuple(stripped_group(one) if is_out(one) else one for one in objects.groups),
        constraints=tuple(one for one in objects.constraints if not is_out(one)),
        devices=tuple(one for one in objects.devices if not is_out(one)),
        plans={name: one for name, one in objects.plans.items() if not is_out(one)},
        unreadable=objects.unreadable | held,
    )


def _plain_node(node: HANode) -> HANode:
    """What an administrator switched stays; attributes, capacities and requests count no more."""
    spec = HANodeSpec(
        cluster=node.spec.cluster,
        standby=node.spec.standby,
        maintenance=node.spec.maintenance,
        shutdown=node.spec.shutdown,
    )
    return node.model_copy(update={"spec": spec})


def _every(
    objects: Objects,
) -> Iterator[HANode | HAResource | ResourceGroup | HAConstraint | FenceDevice | HANodePlan]:
    """All that can be put into quarantine."""
    yield from objects.constraints
    yield from objects.resources
    yield from objects.groups
    yield from objects.devices
    yield from objects.nodes
    yield from objects.plans.values()


def _culprit(objects: Objects, good: Objects | None, trial: Trial) -> Resource | None:
    """One object without which fewer steps raise: the last of the shortest row of objects that raises together. What has
    changed since a step returned is last in the row, so it is found first, and in few trials."""
    known = {id(one) for one in _every(good)} if good is not None else set()
    row: list[Resource] = sorted(_every(objects), key=lambda one: id(one) not in known)
    keys = [key_of(one) for one in row]
    if trial(without(objects, keys)) is not None:
        return None

    def raises(count: int) -> bool:
        return trial(without(objects, frozenset(keys[count:]))) is not None

    stable = sum(1 for one in row if id(one) in known)
    low, high = (stable, len(row)) if 0 < stable < len(row) and not raises(stable) else (0, len(row))
    while high - low > 1:  # the first `low` return, the first `high` raise
        middle = (low + high) // 2
        low, high = (low, middle) if raises(middle) else (middle, high)
    return row[high - 1]


def _version(item: Resource) -> tuple[str, object]:
    """What changes when an object may have become another. Plans and HANodes are told by every write."""
    metadata = item.metadata
    by_write = isinstance(item, (HANodePlan, HANode))
    return metadata.uid, metadata.resource_version if by_write else metadata.generation


def _quarantined(item: Resource, error: Exception) -> Problem:
    kind, namespace, name = key_of(item)
    message = (
        f"the DC cannot work with this object ({_words(error)}); it is held back, and everything else goes on: "
        "change it, and report this message as a fault of Backstay"
    )
    return Problem(kind=kind, namespace=namespace, name=name, code=CODE, message=message, field="spec")


def _unattributed(cluster: HACluster, error: Exception, why: str) -> Problem:
    message = (
        f"a step of the DC failed ({_words(error)}), and {why}; what was decided before stays in force, and a new "
        "term begins: report this message as a fault of Backstay"
    )
    name = cluster.metadata.name
    return Problem(kind="HACluster", namespace="", name=name, code="StepFailed", message=message)


def _words(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 300 else f"{text[:297]}..."
