"""What the DC goes on believing when the objects that told it are gone (design note 0013).

A node that was seen to run an agent in this term stays a member without its Node, HANode and plan, until it was let go. Its last
report counts while its plan is deleted or cannot be read; it has not answered then, so what it runs is left alone. One per term.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from backstay.api import HANode, HANodePlan, PlanAction
from backstay.api.plan import PendingOperation
from backstay.api.quantities import timestamp
from backstay.state.assemble import Objects
from backstay.state.kept import Kept

VANISHED = "its Node, HANode and HANodePlan were deleted"
_BEGINNINGS = ("start", "promote", "migrate_from")

Holds = Callable[[str], Mapping[str, PlanAction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The objects with what is remembered. `lost`: nodes whose report is a memory."""

    objects: Objects
    lost: frozenset[str] = frozenset()


class Recall:
    """Remembers HANodes, plans, labels and addresses of members."""

    def __init__(self) -> None:
        self._nodes: dict[str, HANode] = {}
        self._plans: dict[str, HANodePlan] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._addresses: dict[str, str] = {}
        self._made: Kept[Recalled] = Kept()
        self.may_go: frozenset[str] = frozenset()
        """Members that are proven to run nothing, and of which the objects are being deleted."""

    def complete(self, objects: Objects, *, holds: Holds, wall: float) -> Recalled:
        """`holds`: what the DC has ordered of a node. Nothing is missing: the very same objects."""
        present = {node.metadata.name: node for node in objects.nodes}
        for name in self._nodes.keys() - present.keys():
            if name in self.may_go or name not in self._plans:
                self._forget(name)
        gone = [self._nodes[name] for name in sorted(self._nodes.keys() - present.keys())]
        masked = [name for name, node in present.items() if not node.metadata.uid and name in self._nodes]
        names = [*present, *(node.metadata.name for node in gone)]
        lost = {
            name: self._memory_of(name, objects.plans.get(name), holds, wall)
            for name in names
            if name in self._plans and not _has_report(objects.plans.get(name))
        }
        self._note(objects)
        if not gone and not masked and not lost:
            return Recalled(objects=objects)
        nodes = tuple(self._nodes[name] if name in masked else node for name, node in present.items())
        parts = (objects, *gone, *(self._nodes[name] for name in masked), *lost.values())
        return self._made.of(parts, lambda: self._recalled(objects, (*nodes, *gone), gone, lost))

    def addresses(self, known: Mapping[str, str], plans: Mapping[str, HANodePlan]) -> Mapping[str, str]:
        """With those of Nodes that are gone: as they were, or as other members were told."""
        self._addresses.update(known)
        missing = self._nodes.keys() - known.keys()
        if not missing:
            return known
        told = {
            peer.name: peer.address
            for plan in plans.values()
            for peer in (plan.spec.vouching.peers if plan.spec.vouching is not None else ())
        }
        former = {**told, **self._addresses}
        return {**{name: former[name] for name in missing if name in former}, **known}

    def _recalled(
        self,
        objects: Objects,
        nodes: tuple[HANode, ...],
        gone: Collection[HANode],
        lost: Mapping[str, HANodePlan],
    ) -> Recalled:
        leaving = {**objects.leaving, **{node.metadata.name: VANISHED for node in gone}}
        names = {node.metadata.name for node in nodes}
        labels = {name: own for name, own in self._labels.items() if name in names}
        completed = replace(
            objects,
            nodes=nodes,
            plans={**objects.plans, **lost},
            node_labels={**labels, **objects.node_labels},
            leaving=leaving,
        )
        return Recalled(objects=completed, lost=frozenset(lost))

    def _memory_of(self, name: str, plan: HANodePlan | None, holds: Holds, wall: float) -> HANodePlan:
        """The last report, as one that answers nothing. What was ordered since may have begun."""
        kept = self._plans[name]
        if kept.status.observed_generation == 0 and not holds(name):
            return kept
        ordered = {one.id: one for one in (*kept.spec.actions, *holds(name).values())}
        known = {one.action_id for one in kept.status.pending} | {one.id for one in kept.status.results}
        begun = [
            PendingOperation(action_id=id_, resource=one.resource, verb=one.verb, started=timestamp(wall))
            for id_, one in ordered.items()
            if one.verb in _BEGINNINGS and id_ not in known
        ]
        status = kept.status.model_copy(
            update={"observed_generation": 0, "pending": [*kept.status.pending, *begun]}
        )
        spec = kept.spec.model_copy(update={"actions": list(ordered.values())})
        memory = kept.model_copy(update={"spec": spec, "status": status})
        self._plans[name] = memory
        return memory

    def _note(self, objects: Objects) -> None:
        for node in objects.nodes:
            if node.metadata.uid or node.metadata.name not in self._nodes:
                self._nodes[node.metadata.name] = node
        for name, plan in objects.plans.items():
            if _has_report(plan):
                self._plans[name] = plan
        self._labels.update(objects.node_labels)

    def _forget(self, name: str) -> None:
        for memory in (self._nodes, self._plans, self._labels, self._addresses):
            memory.pop(name, None)


def _has_report(plan: HANodePlan | None) -> bool:
    return plan is not None and bool(plan.status.boot_id)
