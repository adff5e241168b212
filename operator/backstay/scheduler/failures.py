"""Fail counts: how often, since when, and whether they still count.

With a failure timeout a resource's counts on a node expire together, once the latest failure is old enough; a
failure whose operation is to block never expires by itself.
"""

from dataclasses import dataclass

from backstay.scheduler.operations import configured
from backstay.scheduler.situation import Resource
from backstay.state.choices import OnFail
from backstay.state.cluster import ClusterState
from backstay.state.history import FailCount
from backstay.state.score import INFINITY, add


@dataclass(frozen=True, slots=True)
class Tally:
    """All counts of one resource on one node."""

    counts: tuple[FailCount, ...]

    @property
    def total(self) -> int:
        total = 0
        for one in self.counts:
            total = add(total, one.count)
        return total

    @property
    def last_failure(self) -> float | None:
        return max((one.last_failure for one in self.counts if one.last_failure is not None), default=None)


class FailureLedger:
    """Fail counts by resource and node."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._by_place: dict[tuple[str, str], list[FailCount]] = {}
        self._nodes: dict[str, list[str]] = {}
        self._blocked: set[tuple[Resource, str]] = set()
        for one in state.fail_counts:
            name = one.resource.partition(":")[0]
            self._by_place.setdefault((name, one.node), []).append(one)
            self._nodes.setdefault(name, []).append(one.node)

    def nodes_of(self, name: str) -> list[str]:
        """The nodes with counts of a configured resource."""
        return self._nodes.get(name, [])

    def tally(self, resource: Resource, node: str) -> Tally:
        """Counts of a resource on a node, whether or not they expired. Anonymous clone instances share
        theirs."""
        counts = self._by_place.get((resource.base_id, node), [])
        clone = resource.clone
        if clone is not None and clone.meta.raw.globally_unique:
            counts = [one for one in counts if one.resource == resource.id]
        return Tally(tuple(counts))

    def is_expired(self, resource: Resource, node: str) -> bool:
        """Whether the failures of a resource on a node are old enough to be forgotten."""
        timeout_ms = resource.meta.failure_timeout_ms
        if timeout_ms <= 0:
            return False
        if (resource, node) in self._blocked:
            return False
        tally = self.tally(resource, node)
        last = tally.last_failure
        if last is None:
            return not tally.total  # nothing is counted, or nobody knows since when
        return self._state.now >= last + timeout_ms / 1000

    def counted(self, resource: Resource, node: str) -> int:
        """The fail count that matters now: 0 if expired."""
        counts = self.tally(resource, node).counts
        if not counts or self.is_expired(resource, node):
            return 0
        return min(Tally(tuple(one for one in counts if not self._ignored(resource, one))).total, INFINITY)

    def _ignored(self, resource: Resource, count: FailCount) -> bool:
        operation = configured(resource, count.operation, count.interval_ms) if count.operation else None
        return operation is not None and operation.on_fail is OnFail.IGNORE

    def has_expired_counts(self, resource: Resource, node: str) -> bool:
        """Whether there is a count that shall be cleared because it expired."""
        return self.tally(resource, node).total > 0 and self.is_expired(resource, node)

    def places(self) -> list[tuple[str, str]]:
        """(configured resource id, node) of every count, sorted."""
        return sorted(self._by_place)

    def mark_blocked(self, resource: Resource, node: str) -> None:
        """A failure there that is to block does not expire by itself, nor do the counts beside it."""
        self._blocked.add((resource, node))
