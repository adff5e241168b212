"""Whether this node may act: judged from its own renewals of the Lease, on its own clock.

A renewal counts from before it was sent, so that the node's deadline comes before anybody else's. Three states: before any
renewal is known nothing is begun; while the lease is good, orders run; from `margin` before it expires the node is cut off, and
stays so until a renewal has worked *and* the plan was read after it: orders from before are from another world.
"""

from __future__ import annotations

from enum import Enum

from backstay_nodeagent.events import Renewal
from backstay_nodeagent.orders import Timings


class LeaseState(Enum):
    UNKNOWN = "unknown"
    GOOD = "good"
    CUT_OFF = "cut off"


class LeaseGuard:
    """Feed it renewals and reads of the plan; every question takes `now` (CLOCK_BOOTTIME), which never runs backwards."""

    def __init__(self) -> None:
        self.timings = Timings()
        self.state = LeaseState.UNKNOWN
        self._renewal: Renewal | None = None
        self._margin_s = self.timings.stop_margin_s
        self._good_since = 0.0
        self._read_at: float | None = None
        self._now = float("-inf")

    def renewed(self, renewal: Renewal) -> None:
        """Take in an acknowledged renewal; an older one than known changes nothing."""
        if self._renewal is None or renewal.sent_at > self._renewal.sent_at:
            self._renewal = renewal
            if renewal.lease_duration_s == self.timings.lease_duration_s:
                self._margin_s = self.timings.stop_margin_s

    def plan_read(self, read_at: float) -> None:
        """A read of the plan that was sent at `read_at` has been answered, and its answer taken in."""
        self._read_at = read_at if self._read_at is None else max(self._read_at, read_at)

    def judge(self, now: float) -> LeaseState:
        """Bring `state` up to date."""
        assert now >= self._now, f"time ran backwards: {now} after {self._now}"
        self._now = now
        deadline = self.stop_at
        if deadline is not None and self._renewal is not None:
            if now >= deadline:
                self.state = LeaseState.CUT_OFF
            elif self.state is not LeaseState.GOOD:
                self.state = LeaseState.GOOD
                self._good_since = self._renewal.sent_at
        return self.state

    def lose(self) -> None:
        """What may be active is active without any renewal known: as bad as a lease that ran out."""
        if self.state is LeaseState.UNKNOWN:
            self.state = LeaseState.CUT_OFF

    @property
    def known(self) -> bool:
        return self._renewal is not None

    @property
    def expires_at(self) -> float | None:
        """When others may take over, at the earliest: they go by the duration that the last renewal carried.

        New timings hold from the first renewal that carries them, or a shorter lease would run out at the moment it is configured."""
        return None if self._renewal is None else self._renewal.sent_at + self._renewal.lease_duration_s

    @property
    def stop_at(self) -> float | None:
        """When to begin to stop what others may take over."""
        expires_at = self.expires_at
        return None if expires_at is None else expires_at - self._margin_s

    @property
    def orders_hold(self) -> bool:
        """Whether an order of the plan may begin now (as of the last `judge`)."""
        return self.state is LeaseState.GOOD and not self.needs_read

    @property
    def needs_read(self) -> bool:
        """Whether the lease is good, but the plan at hand was read before it became so."""
        return self.state is LeaseState.GOOD and (self._read_at is None or self._read_at < self._good_since)
