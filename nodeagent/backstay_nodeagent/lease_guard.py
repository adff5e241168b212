"""Whether this node may act: judged from its own renewals of the Lease, on its own clock.

A renewal counts from before it was sent, so that the node's deadline comes before anybody else's. Before any renewal is known
nothing is begun; while the lease is good, orders run; from `margin` before it expires the node is cut off, or, while the promises of
peers hold (design note 0003), goes on with what it has. It stays so until a renewal has worked *and* the plan was read after it:
orders from before are from another world.
"""

from __future__ import annotations

from enum import Enum

from backstay_nodeagent.events import Renewal
from backstay_nodeagent.lease_term import LeaseTerm
from backstay_nodeagent.orders import Timings


class LeaseState(Enum):
    UNKNOWN = "unknown"
    GOOD = "good"
    VOUCHED = "vouched"
    """Cut off with so many others that nobody can take anything over: what runs goes on, nothing new is begun."""
    CUT_OFF = "cut off"


class LeaseGuard:
    """Feed it renewals and reads of the plan; every question takes `now` (CLOCK_BOOTTIME), which never runs backwards.

    New `timings` count from the next `judge`."""

    def __init__(self) -> None:
        self.timings = Timings()
        self.state = LeaseState.UNKNOWN
        self._term = LeaseTerm(self.timings.lease_duration_s, self.timings.stop_margin_s)
        self._good_since = 0.0
        self._read_at: float | None = None
        self._now = float("-inf")
        self._vouched_until: float | None = None

    def vouched(self, until: float | None) -> None:
        """Peers' promises let the node go on until then; None: not."""
        self._vouched_until = until

    def renewed(self, renewal: Renewal) -> None:
        """Take in an acknowledged renewal; an older one than known changes nothing."""
        if not self.known:
            self._term = LeaseTerm(self.timings.lease_duration_s, self.timings.stop_margin_s)
        self._term.renewed(renewal.sent_at, renewal.lease_duration_s)

    def plan_read(self, read_at: float) -> None:
        """A read of the plan that was sent at `read_at` has been answered, and its answer taken in."""
        self._read_at = read_at if self._read_at is None else max(self._read_at, read_at)

    def judge(self, now: float) -> LeaseState:
        """Bring `state` up to date."""
        assert now >= self._now, f"time ran backwards: {now} after {self._now}"
        self._now = now
        self._term.retime(self.timings.lease_duration_s, self.timings.stop_margin_s, now)
        deadline, sent_at = self._term.stop_at, self._term.sent_at
        if deadline is not None and sent_at is not None:
            if now >= deadline:
                # What was lost once is not regained by promises: others may have taken over.
                holds = self.state is not LeaseState.CUT_OFF and now < (self.stop_at or now)
                self.state = LeaseState.VOUCHED if holds else LeaseState.CUT_OFF
            elif self.state is not LeaseState.GOOD:
                self.state = LeaseState.GOOD
                self._good_since = sent_at
        return self.state

    def is_good(self, now: float) -> bool:
        """Whether nothing has to be stopped yet by the renewals that are known; promises do not count."""
        return self._term.stop_at is not None and now < self._term.stop_at

    def lose(self) -> None:
        """What may be active is active without any renewal known: as bad as a lease that ran out."""
        if self.state is LeaseState.UNKNOWN:
            self.state = LeaseState.CUT_OFF

    @property
    def known(self) -> bool:
        return self._term.sent_at is not None

    @property
    def expires_at(self) -> float | None:
        """When others may take over, at the earliest."""
        if self._term.expires_at is None or self._vouched_until is None:
            return self._term.expires_at
        return max(self._term.expires_at, self._vouched_until)

    @property
    def stop_at(self) -> float | None:
        """When to begin to stop what others may take over."""
        if self._term.stop_at is None or self._vouched_until is None:
            return self._term.stop_at
        return max(self._term.stop_at, self._vouched_until - self.timings.stop_margin_s)

    @property
    def judge_at(self) -> float | None:
        """When the state changes though nothing is heard."""
        match self.state:
            case LeaseState.GOOD:
                return self._term.stop_at
            case LeaseState.VOUCHED:
                return self.stop_at
            case LeaseState.UNKNOWN | LeaseState.CUT_OFF:
                return None

    @property
    def orders_hold(self) -> bool:
        """Whether an order of the plan may begin now (as of the last `judge`)."""
        return self.state is LeaseState.GOOD and not self.needs_read

    @property
    def needs_read(self) -> bool:
        """Whether the lease is good, but the plan at hand was read before it became so."""
        return self.state is LeaseState.GOOD and (self._read_at is None or self._read_at < self._good_since)
