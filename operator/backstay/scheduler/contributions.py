"""Why here, not there: every contribution to the score of a resource on a node.

Kept as they are added during placement, so that an explanation costs no second computation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """What kind of thing a contribution to a score is."""

    ASYMMETRIC = "asymmetric"  # the cluster is opt-in and nothing opts in
    LOCATION = "location"
    STICKINESS = "stickiness"
    UNMANAGED = "unmanaged"  # the cluster leaves it where it is
    FAILURES = "failures"  # as many failures as the migration threshold
    HARD_ERROR = "hard-error"  # the agent says it can not run there
    COLOCATION = "colocation"  # pulled or pushed by what it is colocated with
    DEPENDENT = "dependent"  # the wish of what is colocated with it
    TARGET_ROLE = "target-role"
    DISCOVERY = "exclusive-discovery"
    HEALTH = "node-health"
    TICKET = "ticket"
    RECORDING = "recording"  # its host's disk takes no records, so nothing is started there
    UTILIZATION = "utilization"
    LOCK = "shutdown-lock"
    CLONE = "clone"
    PROMOTION = "promotion"  # it wants to be promoted there
    QUORUM = "quorum"
    ACTIVE_ELSEWHERE = "active-elsewhere"


@dataclass(frozen=True, slots=True)
class Contribution:
    """`source` is the id of the constraint or resource behind it, empty if the kind says it all."""

    resource: str
    node: str
    reason: Reason
    source: str
    score: int


Entry = tuple[
    str, str | tuple[str, ...], Reason, str, int
]  # as a Contribution, but of one node or of several


class Journal:
    """Collects contributions in the order they were made."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def note(self, resource: str, node: str, *, reason: Reason, source: str, score: int) -> None:
        """Remember one contribution; zero is not worth it."""
        if score:
            self._entries.append((resource, node, reason, source, score))

    def note_all(
        self, resource: str, nodes: tuple[str, ...], *, reason: Reason, source: str, score: int
    ) -> None:
        """Remember one and the same contribution to several nodes."""
        if score and nodes:
            self._entries.append((resource, nodes, reason, source, score))

    def mark(self) -> int:
        """A position to come back to."""
        return len(self._entries)

    def rewind(self, mark: int) -> None:
        """Forget what was noted since."""
        del self._entries[mark:]

    def entries(self) -> tuple[Entry, ...]:
        """All of them, bare: who wants to read them makes Contributions of them."""
        return tuple(self._entries)


def written_out(entries: Iterable[Entry]) -> Iterator[Contribution]:
    """What a journal holds, a Contribution for every node."""
    for resource, nodes, reason, source, score in entries:
        for node in (nodes,) if isinstance(nodes, str) else nodes:
            yield Contribution(resource, node, reason, source, score)
