"""Ages of node Leases by the observer's own clock.

The wall-clock renewTime inside a Lease is never compared with any clock of ours: it only serves, with the sequence, to see that the
Lease was renewed at all. An age counts from when this observer saw the renewal, so it is never younger than the truth by more than
the delay of the watch, and a lease expires here no earlier than at its holder (design note 0001).

After a gap in the observer's own successful reads all ages begin again at zero: who could not hear may not judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from backstay.liveness.machine import NO_IDENTITY, MachineIdentity
from backstay.liveness.watchdog import WatchdogClaim


class Pulse(Enum):
    """What a Lease says about its node."""

    FRESH = "fresh"
    EXPIRED = "expired"
    WAITING = "waiting"
    """Not renewed while watched, but not watched for a whole lease period either."""
    ABSENT = "absent"
    """There is no Lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLease:
    """The content of a node's Lease. `token` changes with every renewal."""

    node: str
    token: str
    boot_id: str = ""
    incarnation: str = ""
    duration_s: float = 3.0
    agent_present: bool = True
    beat: int | None = None
    """The last challenge of the DC that its keeper knew when it renewed (design note 0003); None: it knows of none."""
    vouching_s: float = 0.0
    """For how long it has promised not to count in a takeover."""
    watchdog: WatchdogClaim | None = None
    """None: no watchdog is armed, or it is about to be disarmed."""
    machine: MachineIdentity = NO_IDENTITY


@dataclass(slots=True)
class _Seen:
    lease: NodeLease
    since: float
    renewed: bool


class LeaseTracker:
    """Remembers when each Lease was last seen renewed.

    `read_gap_s` is the longest silence between successful reads that still counts as having listened."""

    def __init__(self, *, read_gap_s: float) -> None:
        self.read_gap_s = read_gap_s
        self._seen: dict[str, _Seen] = {}
        self._former: dict[str, NodeLease] = {}
        """By node: the last Lease of the boot before the present one."""
        self._read_at: float | None = None
        self._asked_at: float | None = None
        self._now = float("-inf")

    def copy_from(self, other: LeaseTracker) -> None:
        """Know just what the other one knows now: to judge by it while that goes on hearing."""
        self.read_gap_s = other.read_gap_s
        self._seen = {node: replace(seen) for node, seen in other._seen.items()}
        self._former = dict(other._former)
        self._read_at, self._asked_at, self._now = other._read_at, other._asked_at, other._now

    def _advance(self, now: float) -> None:
        assert now >= self._now, f"time ran backwards: {now} < {self._now}"
        self._now = now

    def read_succeeded(self, now: float, *, sent_at: float | None = None) -> bool:
        """A read of the Leases succeeded. True when the silence before it was too long and all ages began anew.

        `sent_at` is when a list was asked for: its answer may be as old as that. An event of a watch needs none."""
        self._advance(now)
        gap = self._read_at is not None and now - self._read_at > self.read_gap_s
        self._read_at = max(self._read_at or 0.0, now if sent_at is None else sent_at)
        if sent_at is not None:
            self._asked_at = max(self._asked_at or 0.0, sent_at)
        if gap:
            self.begin_anew(now)
        return gap

    def begin_anew(self, now: float) -> None:
        """All ages begin at zero, and nobody counts as having renewed: what was read before proves nothing now."""
        self._advance(now)
        for seen in self._seen.values():
            seen.since = now
            seen.renewed = False

    def observe(self, lease: NodeLease, now: float) -> bool:
        """A Lease as read. True when it was renewed since it was last seen."""
        self._advance(now)
        known = self._seen.get(lease.node)
        if known is None:
            # Not a renewal that we witnessed: it may be old. It gets a whole period to show life.
            self._seen[lease.node] = _Seen(lease, now, renewed=False)
            return False
        renewed = lease.token != known.lease.token
        if lease.boot_id != known.lease.boot_id:
            self._former[lease.node] = known.lease
        known.lease = lease
        if renewed:
            known.since = now
            known.renewed = True
        return renewed

    def forget(self, node: str) -> None:
        """The Lease was deleted."""
        self._seen.pop(node, None)

    def lease(self, node: str) -> NodeLease | None:
        """The Lease as last read."""
        seen = self._seen.get(node)
        return seen.lease if seen else None

    def former_lease(self, node: str, boot_id: str) -> NodeLease | None:
        """The last Lease of that former boot, if this observer has read it."""
        lease = self._former.get(node)
        return lease if lease is not None and lease.boot_id == boot_id else None

    def age_s(self, node: str, now: float) -> float | None:
        """Seconds since the last renewal seen, or since the Lease was first seen."""
        self._advance(now)
        seen = self._seen.get(node)
        return None if seen is None else now - seen.since

    def pulse(self, node: str, now: float) -> Pulse:
        """The judgement. A lease that nobody could read lately is WAITING, not EXPIRED."""
        self._advance(now)
        seen = self._seen.get(node)
        if seen is None:
            return Pulse.ABSENT
        age = now - seen.since
        if age < seen.lease.duration_s:
            return Pulse.FRESH if seen.renewed else Pulse.WAITING
        return Pulse.EXPIRED if self._asked_since(seen.since + seen.lease.duration_s) else Pulse.WAITING

    def _asked_since(self, moment: float) -> bool:
        """Whether a list of the Leases succeeded that was asked for at `moment` or later (monotonic seconds).

        An event of a watch proves nothing here: it may be old, and a renewal may be behind it. Silence of the API is not silence
        of the node."""
        return self._asked_at is not None and self._asked_at >= moment

    def silent_for(self, node: str, seconds: float, now: float) -> bool:
        """Whether the node was silent for `seconds`, by a list that was asked for at the end of them."""
        self._advance(now)
        seen = self._seen.get(node)
        if seen is None:
            return False
        return now - seen.since >= seconds and self._asked_since(seen.since + seconds)

    def next_expiry(self, now: float) -> float | None:
        """When the next fresh Lease will run out, if nothing is heard."""
        times = [
            seen.since + seen.lease.duration_s
            for seen in self._seen.values()
            if now - seen.since < seen.lease.duration_s
        ]
        return min(times, default=None)

    def needs_read(self, now: float) -> bool:
        """Whether a Lease ran out and was not listed after that: list the Leases now, then judge."""
        return any(
            now - seen.since >= seen.lease.duration_s
            and not self._asked_since(seen.since + seen.lease.duration_s)
            for seen in self._seen.values()
        )

    def ages(self, now: float) -> Mapping[str, float]:
        """Age of every Lease, by node, sorted."""
        return {node: now - self._seen[node].since for node in sorted(self._seen)}
