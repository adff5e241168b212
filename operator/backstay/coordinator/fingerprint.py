"""What the DC last looked at, so that it can say whether, and why, it has to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.api import HANode, HANodePlan, Resource
from backstay.coordinator.membership import Membership
from backstay.coordinator.past import MAY_RUN_ELSEWHERE
from backstay.coordinator.trigger import Cause, Trigger
from backstay.liveness.nodes import NodeCondition
from backstay.state.assemble import Objects
from backstay.state.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Versions of everything that a scheduling depends on. Two equal ones would be scheduled alike."""

    configuration: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: Mapping[str, tuple[NodeCondition, str, bool]] = field(default_factory=dict)
    wishes: Mapping[str, str] = field(default_factory=dict)
    """What administrators want of each node: stop, standby, maintenance, or nothing special."""
    quorum: bool = False
    failures: Mapping[tuple[str, str, str, int], int] = field(default_factory=dict)
    released: tuple[str, ...] = ()
    histories: Mapping[str, tuple[tuple[str, str, int, int, int], ...]] = field(default_factory=dict)
    moves: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    """Silent nodes from which others may take over what needs no fencing."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Resources that verification holds back, and why."""
    braked: tuple[str, ...] = ()
    """Silent nodes that the storm brake leaves alone."""
    unrecorded: tuple[str, ...] = ()
    """Nodes that start nothing, since their disks take no records."""

    def surprise_since(self, older: Fingerprint) -> Trigger | None:
        """Why a transition that began with `older` must be aborted; None when there is no reason."""
        return (
            _node_changes(older.nodes, self.nodes)
            or _brake_changes(older.braked, self.braked)
            or _wish_changes(older.wishes, self.wishes)
            or _configuration_changes(older.configuration, self.configuration)
            or _label_changes(older.labels, self.labels)
            or _quorum_change(older=older.quorum, newer=self.quorum)
            or _move_changes(older.moves, self.moves)
            or _failure_changes(older.failures, self.failures)
            or _given_up_changes(older.given_up, self.given_up)
            or _held_changes(older.held, self.held)
            or _recording_changes(older.unrecorded, self.unrecorded)
            or _release_changes(older.released, self.released)
        )

    def difference(self, older: Fingerprint | None) -> Trigger | None:
        """Why to schedule again when nothing is under way; None when nothing changed."""
        if older is None:
            lost = [name for name, state in sorted(self.nodes.items()) if state[0] is NodeCondition.UNCLEAN]
            if lost:
                return Trigger(Cause.NODE_LOST, f"node {' '.join(lost)} lost, found so by a new DC")
            return Trigger(Cause.NEWS, "a new DC looks at everything")
        surprise = self.surprise_since(older)
        if surprise:
            return surprise
        gone = sorted(older.failures.keys() - self.failures.keys())
        if gone:
            return Trigger(Cause.FAILURE, f"failures of {gone[0][1]} on {gone[0][0]} were forgotten")
        for node in sorted(self.histories):
            if self.histories[node] != older.histories.get(node):
                return Trigger(Cause.NEWS, f"news from {node}")
        return None


class Printer:
    """Takes fingerprints. Of a plan, and of the configuration, that is the very same as before it keeps the last."""

    def __init__(self) -> None:
        self._configuration: Kept[dict[str, tuple[str, int]]] = Kept()
        self._histories: dict[str, Kept[tuple[tuple[str, str, int, int, int], ...]]] = {}

    def fingerprint(
        self,
        objects: Objects,
        membership: Membership,
        moves: tuple[str, ...],
        *,
        held: Mapping[str, str] | None = None,
    ) -> Fingerprint:
        """Of this moment."""
        everything = everything_in(objects)
        for gone in self._histories.keys() - objects.plans.keys():
            del self._histories[gone]
        return _fingerprint(
            objects,
            membership,
            configuration=self._configuration.of(
                tuple(one.metadata for one in everything), lambda: _configuration(everything)
            ),
            histories={name: self._history(name, plan) for name, plan in objects.plans.items()},
            moves=moves,
            held=dict(held or {}),
        )

    def _history(self, name: str, plan: HANodePlan) -> tuple[tuple[str, str, int, int, int], ...]:
        kept = self._histories.setdefault(name, Kept())
        return kept.of((*plan.status.history, None, *plan.status.absences), lambda: _history(plan))


def _fingerprint(
    objects: Objects,
    membership: Membership,
    *,
    configuration: Mapping[str, tuple[str, int]],
    histories: Mapping[str, tuple[tuple[str, str, int, int, int], ...]],
    moves: tuple[str, ...],
    held: Mapping[str, str],
) -> Fingerprint:
    plans = {
        name: plan
        for name, plan in objects.plans.items()
        if name in membership.nodes and membership.nodes[name].history_counts
    }
    return Fingerprint(
        configuration=configuration,
        labels=objects.node_labels,
        nodes={
            name: (view.verdict.condition, view.boot_id, view.stale)
            for name, view in membership.nodes.items()
        },
        wishes={
            node.metadata.name: _wish(node, leaves=node.metadata.name in objects.leaving)
            for node in objects.nodes
        },
        quorum=membership.quorum,
        failures={
            (node, one.resource, one.operation, one.interval_ms): one.count
            for node, plan in plans.items()
            for one in plan.status.failures
        },
        released=tuple(name for name, plan in sorted(plans.items()) if plan.status.released),
        histories={name: histories[name] for name in plans},
        moves=moves,
        given_up=tuple(name for name, view in membership.nodes.items() if view.given_up),
        held=held,
        braked=membership.brake.nodes,
        unrecorded=tuple(name for name, view in membership.nodes.items() if view.recording_trouble),
    )


def everything_in(objects: Objects) -> list[Resource]:
    """All that people wrote."""
    return [
        objects.cluster,
        *objects.nodes,
        *objects.resources,
        *objects.groups,
        *objects.constraints,
        *objects.devices,
    ]


def _configuration(everything: list[Resource]) -> dict[str, tuple[str, int]]:
    return {
        f"{type(item).info.kind} {item.key}": (item.metadata.uid, item.metadata.generation)
        for item in everything
    }


def _history(plan: HANodePlan) -> tuple[tuple[str, str, int, int, int], ...]:
    status = plan.status
    return (
        *((one.resource, one.operation, one.interval_ms, one.call_id, one.rc) for one in status.history),
        *((name, "monitor", 0, 0, 7) for one in status.absences for name in one.resources),
    )


def _node_changes(
    older: Mapping[str, tuple[NodeCondition, str, bool]], newer: Mapping[str, tuple[NodeCondition, str, bool]]
) -> Trigger | None:
    for name in sorted(newer.keys() | older.keys()):
        was, now = older.get(name), newer.get(name)
        if was == now:
            continue
        if now is None:
            return Trigger(Cause.NODE_LOST, f"node {name} left the cluster")
        if was is not None and was[0] is now[0] and was[1] == now[1]:
            return Trigger(Cause.NODE_BACK, f"node {name} answered after a silence")
        if was is not None and _expected(was[0], now[0]):
            continue
        match now[0]:
            case NodeCondition.UNCLEAN:
                return Trigger(Cause.NODE_LOST, f"node {name} lost")
            case NodeCondition.OFFLINE:
                return Trigger(Cause.NODE_LOST, f"node {name} is offline")
            case NodeCondition.ONLINE:
                return Trigger(Cause.NODE_BACK, f"node {name} joined")
            case NodeCondition.PENDING:
                return Trigger(Cause.NODE_BACK, f"node {name} is coming up")
    return None


def _wish(node: HANode, *, leaves: bool) -> str:
    spec = node.spec
    words = [
        ("leave", leaves),
        ("stop", spec.shutdown),
        ("standby", spec.standby),
        ("maintenance", spec.maintenance),
    ]
    return "+".join(word for word, wanted in words if wanted)


def _wish_changes(older: Mapping[str, str], newer: Mapping[str, str]) -> Trigger | None:
    for name in sorted(newer):
        was, wish = older.get(name, ""), newer[name]
        if was != wish:
            return Trigger(Cause.REQUEST, f"{wish or f'end of {was}'} of node {name} requested")
    return None


def _label_changes(older: object, newer: object) -> Trigger | None:
    return Trigger(Cause.CONFIGURATION, "node labels changed") if older != newer else None


def _quorum_change(*, older: bool, newer: bool) -> Trigger | None:
    return Trigger(Cause.QUORUM, f"quorum {'gained' if newer else 'lost'}") if older is not newer else None


def _move_changes(older: tuple[str, ...], newer: tuple[str, ...]) -> Trigger | None:
    return Trigger(Cause.REQUEST, "a request to move came or went") if older != newer else None


def _recording_changes(older: tuple[str, ...], newer: tuple[str, ...]) -> Trigger | None:
    for name in sorted({*older, *newer}):
        if (name in newer) is not (name in older):
            word = "takes no records" if name in newer else "takes records again"
            return Trigger(Cause.OTHER, f"the disk of node {name} {word}")
    return None


def _release_changes(older: tuple[str, ...], newer: tuple[str, ...]) -> Trigger | None:
    if older == newer:
        return None
    return Trigger(Cause.NODE_LOST, f"{' '.join(newer)} stopped resources while cut off")


_AWAY = (NodeCondition.UNCLEAN, NodeCondition.OFFLINE, NodeCondition.PENDING)


def _expected(was: NodeCondition, now: NodeCondition) -> bool:
    """An unclean node that was fenced is offline, then boots: that is what the transition under way is for. It matters again when the
    node is online."""
    return was in _AWAY and now in (NodeCondition.OFFLINE, NodeCondition.PENDING)


def _configuration_changes(
    older: Mapping[str, tuple[str, int]], newer: Mapping[str, tuple[str, int]]
) -> Trigger | None:
    for name in sorted(newer.keys() | older.keys()):
        if older.get(name) == newer.get(name):
            continue
        verb = "deleted" if name not in newer else "changed" if name in older else "created"
        return Trigger(Cause.CONFIGURATION, f"{name} was {verb}")
    return None


def _failure_changes(
    older: Mapping[tuple[str, str, str, int], int], newer: Mapping[tuple[str, str, str, int], int]
) -> Trigger | None:
    for key in sorted(newer):
        if newer[key] > older.get(key, 0):
            node, resource, operation, _ = key
            return Trigger(Cause.FAILURE, f"{operation} of {resource} failed on {node}")
    return None


def _given_up_changes(older: tuple[str, ...], newer: tuple[str, ...]) -> Trigger | None:
    fresh = [name for name in newer if name not in older]
    if not fresh:
        return None
    return Trigger(Cause.NODE_LOST, f"a quorum stands behind a takeover from node {fresh[0]}")


def _brake_changes(older: tuple[str, ...], newer: tuple[str, ...]) -> Trigger | None:
    changed = [name for name in (*newer, *older) if (name in newer) is not (name in older)]
    if not changed:
        return None
    verdict = "left alone" if changed[0] in newer else "let go"
    return Trigger(Cause.NODE_LOST, f"node {changed[0]} lost, and {verdict} by the storm brake")


def _held_changes(older: Mapping[str, str], newer: Mapping[str, str]) -> Trigger | None:
    for name in sorted(newer.keys() | older.keys()):
        was, now = older.get(name), newer.get(name)
        if was != now:
            if now is not None:
                words = f"{name} is held back: {now}"
            elif was in MAY_RUN_ELSEWHERE:
                words = f"it is known again that {name} runs nowhere else"
            else:
                words = f"{name} was verified"
            return Trigger(Cause.CONFIGURATION, words)
    return None
