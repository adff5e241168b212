"""Whose history is whose: nodes know anonymous clone instances by the primitive's name, without number.

An active instance on a node takes the lowest free number; a node without an active one may share any
instance, since what is not running has no identity. Histories of unknown resources become orphans.
"""

from collections.abc import Callable, Iterator

from backstay.scheduler.situation import Kind, NodeView, Resource, Situation
from backstay.state.choices import OpStatus
from backstay.state.history import OpRecord, ResourceHistory

Orphan = Callable[[Situation, ResourceHistory], Resource]


def assign_histories(
    situation: Situation, orphan: Orphan
) -> Iterator[tuple[Resource, NodeView, ResourceHistory]]:
    """Every history with the instance it belongs to, nodes and resources in configuration order."""
    claims = _Claims(situation)
    for history in situation.state.histories:
        node = situation.node_by_name.get(history.node)
        if node is None:
            continue
        yield claims.find(history, node, orphan), node, history


class _Claims:
    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        # clone id -> position of child -> node that has it
        self._holder: dict[str, dict[int, str]] = {}

    def find(self, history: ResourceHistory, node: NodeView, orphan: Orphan) -> Resource:
        base = _base(history.resource)
        for name in (history.resource, base):
            instances = self._situation.instances_of.get(name)
            if instances:
                return self._instance(instances, history, node)
        return orphan(self._situation, history)

    def _instance(self, instances: list[Resource], history: ResourceHistory, node: NodeView) -> Resource:
        clone = instances[0].clone
        if clone is None:
            return instances[0]
        if clone.meta.raw.globally_unique:
            for one in instances:
                if one.id == history.resource:
                    return one
            return instances[0]
        holders = self._holder.setdefault(clone.id, {})
        children = clone.children
        for position, holder in holders.items():
            if holder == node.name:
                return _within(children[position], history, instances)
        if not _looks_active(history.operations):
            # Not running: any instance will do, but prefer one nobody has.
            for position in range(len(children) - 1, -1, -1):
                child = _within(children[position], history, instances)
                if node.name not in child.activities and position not in holders:
                    return child
            return instances[-1]
        for position in range(len(children)):
            if position not in holders:
                holders[position] = node.name
                return _within(children[position], history, instances)
        return instances[-1]


def _within(child: Resource, history: ResourceHistory, instances: list[Resource]) -> Resource:
    base = _base(history.resource)
    if child.kind is Kind.GROUP:
        for member in child.children:
            if member.base_id in (base, history.resource):
                return member
    return child if child.base_id in (base, history.resource) else instances[0]


def _base(name: str) -> str:
    head, colon, number = name.rpartition(":")
    return head if colon and number.isdigit() else name


def _looks_active(records: tuple[OpRecord, ...]) -> bool:
    """A rough look: is the latest thing known that it runs?"""
    latest = max(records, key=lambda one: (one.call_id < 0, one.call_id), default=None)
    if latest is None:
        return False
    if latest.status is OpStatus.PENDING:
        return latest.operation not in ("monitor",) or latest.interval_ms > 0
    if latest.operation == "stop":
        return latest.rc not in (0, 7)
    return latest.rc not in (7, 5)
