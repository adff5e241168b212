"""Who noticed what, and when, before a transition began: the first half of a failover's story (its actions are the second).

Follows the nodes that fell silent from one look to the next, and the term of the DC. All times are the DC's own: of a renewal, when
it was seen here, not what the Lease says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.coordinator.membership import Membership, NodeView
from backstay.liveness.leases import LeaseTracker, Pulse
from backstay.liveness.nodes import NodeCondition

_LOST = (NodeCondition.UNCLEAN, NodeCondition.OFFLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """`at` is monotonic, in seconds; `node` is whom it is about."""

    at: float
    node: str = ""
    what: str


class Watchman:
    """Remembers when each node was found lost, until a transition has told of it."""

    def __init__(self, *, epoch: int) -> None:
        self._epoch = epoch
        self._began: float | None = None
        self._told_term = False
        self._alive: set[str] = set()
        self._lost: dict[str, tuple[Moment, ...]] = {}

    def begin(self, published: Mapping[str, NodeCondition | None], now: float) -> None:
        """At the first look of a term. `published`: how the nodes were by the last word of the DC before."""
        self._began = now
        self._alive = {name for name, condition in published.items() if condition not in _LOST}

    def look(self, membership: Membership, tracker: LeaseTracker, now: float) -> None:
        """At every step, after the nodes were judged."""
        for name, view in membership.nodes.items():
            if view.verdict.condition not in _LOST:
                self._alive.add(name)
                self._lost.pop(name, None)
            elif view.pulse is Pulse.EXPIRED and name in self._alive:
                self._alive.discard(name)
                self._lost[name] = _moments_of(view, tracker, now)

    def tell(self, now: float, decide: str) -> tuple[Moment, ...]:
        """All that led here, in order, and that it was decided now; told once."""
        moments = [moment for name in sorted(self._lost) for moment in self._lost[name]]
        if not self._told_term and self._began is not None:
            moments.append(Moment(at=self._began, what=f"this DC's term begins (epoch {self._epoch})"))
        self._lost.clear()
        self._told_term = True
        return (*sorted(moments, key=lambda moment: moment.at), Moment(at=now, what=decide))


def _moments_of(view: NodeView, tracker: LeaseTracker, now: float) -> tuple[Moment, ...]:
    age_s, lease = tracker.age_s(view.name, now), tracker.lease(view.name)
    found = Moment(
        at=now, node=view.name, what=f"is judged {view.verdict.condition.value}: {view.verdict.reason}"
    )
    if age_s is None or lease is None:
        return (found,)
    return (
        Moment(at=now - age_s, node=view.name, what="its last heartbeat was seen"),
        Moment(
            at=now - age_s + lease.duration_s,
            node=view.name,
            what=f"its lease of {lease.duration_s:g} s has run out; the API is asked once more",
        ),
        found,
    )
