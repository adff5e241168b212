"""When the DC may take over what a silent node ran, if that node may be living by the promises of peers (design note 0003).

Needed is a quorum of members whose last renewal was sent after a challenge that was issued when the silent node was overdue, and
carried no promise. A renewal with the challenge's beat was sent after the challenge was written: that holds whatever the delays are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from backstay.liveness.leases import LeaseTracker, Pulse
from backstay.liveness.quorum import has_quorum

LEAD_PER_LEASE = 1 / 4
"""Of a lease is left when the others are challenged: enough to gather their answers before it has run out."""
BEATS_PER_EPOCH = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerLease:
    """The lease of a boot whose node's Lease another boot renews now. It was renewed before `since` (the DC's monotonic seconds),
    and cannot be renewed any more: a keeper renews only a Lease that it was the last to write (design note 0015)."""

    node: str
    boot_id: str
    since: float
    duration_s: float

    @property
    def key(self) -> str:
        return f"{self.node}/{self.boot_id}"


@dataclass(frozen=True, slots=True)
class _Challenge:
    beat: int
    token: str
    """Of the silent node's Lease: a renewal since makes the challenge void."""


class TakeoverJudge:
    """One per DC term. Call `look` at every step, then ask."""

    def __init__(self, tracker: LeaseTracker, *, epoch: int) -> None:
        self._tracker = tracker
        self._base = epoch * BEATS_PER_EPOCH
        self._challenges: dict[str, _Challenge] = {}
        self._serial = 0
        self._watched: frozenset[str] = frozenset()
        self._former: dict[str, FormerLease] = {}
        self.obeyed_by: Collection[str] | None = None
        """Those who have answered this DC: only their renewals can carry a challenge of its own. None: everybody."""

    @property
    def beat(self) -> int:
        """What the plans of the others shall carry now; 0 before the first challenge of this term."""
        return self._base + self._serial if self._serial else 0

    def look(self, nodes: Collection[str], now: float, former: Collection[FormerLease] = ()) -> None:
        """Challenge the others for every one of these nodes, and of these former boots, that has become overdue."""
        self._watched = frozenset(nodes)
        self._former = {one.key: one for one in former}
        for key in [one for one in self._challenges if "/" in one and one not in self._former]:
            del self._challenges[key]
        for one in former:
            if one.key not in self._challenges and now >= _overdue_at(one):
                self._serial += 1
                self._challenges[one.key] = _Challenge(self._base + self._serial, one.boot_id)
        for node in sorted(nodes):
            lease, age_s = self._tracker.lease(node), self._tracker.age_s(node, now)
            known = self._challenges.get(node)
            if lease is None or age_s is None or age_s < lease.duration_s * (1 - LEAD_PER_LEASE):
                self._challenges.pop(node, None)
            elif known is None or known.token != lease.token:
                self._serial += 1
                self._challenges[node] = _Challenge(self._base + self._serial, lease.token)

    def may_take(self, node: str, voters: Collection[str], now: float) -> bool:
        """Whether a quorum of `voters` (the silent node is one of them, counted or not) stands behind a takeover from it.

        `node` may be the key of a former boot; whoever has its name now does not count."""
        challenge = self._challenges.get(node)
        if challenge is None:
            return False
        former = self._former.get(node)
        everyone = {*voters, node} - ({former.node} if former is not None else set())
        behind = [one for one in everyone if one != node and self._is_plain(one, challenge.beat, now)]
        return has_quorum(members=len(everyone), alive=len(behind))

    def _is_plain(self, node: str, beat: int, now: float) -> bool:
        lease = self._tracker.lease(node)
        if lease is None or self._tracker.pulse(node, now) is not Pulse.FRESH:
            return False
        if self.obeyed_by is not None and node not in self.obeyed_by:
            return False
        return lease.beat is not None and lease.beat >= beat and lease.vouching_s == 0

    def next_look(self, now: float) -> float | None:
        """When one of the nodes that were looked at will be overdue, if nothing is heard of it."""
        times = []
        for node in self._watched:
            lease, age_s = self._tracker.lease(node), self._tracker.age_s(node, now)
            if lease is not None and age_s is not None and node not in self._challenges:
                times.append(now - age_s + lease.duration_s * (1 - LEAD_PER_LEASE))
        for one in self._former.values():
            times += [at for at in (_overdue_at(one), one.since + one.duration_s) if at > now]
        return min(times, default=None)


def _overdue_at(former: FormerLease) -> float:
    return former.since + former.duration_s * (1 - LEAD_PER_LEASE)
