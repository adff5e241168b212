"""What the keeper decides: when to renew, when to stop renewing, when to release in the agent's stead. Pure; standard library only.

Every question takes `now`, seconds of CLOCK_BOOTTIME. "Absent" is an agent that has not been heard for a moment: it restarts,
crashed or hangs, which look the same from here.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay_nodeagent.lease_term import LeaseTerm
from backstay_nodeagent.vouching import Lapse

AGENT_SILENT_S = 1.0
"""An agent pings four times as often."""
AGENT_AWAY_MAX_S = 60.0
OWN_GAP_S, AFTER_GAP_S = 0.5, 0.3
"""A keeper that did not run for so long (it looks around every 0.25 s) cannot tell who was silent: host and agent may have been
frozen with it. The agent then has this long to be heard, lest both release at once."""
RETRY_FACTOR_MIN = 0.1
RETRY_FACTOR_MAX = 0.5
TIMEOUT_MIN_S = 0.15


@dataclass(frozen=True)
class KeeperTimings:
    """Of the heartbeat, in seconds."""

    renew_interval_s: float = 1.0
    lease_duration_s: float = 3.0
    stop_margin_s: float = 1.0

    @property
    def attempt_timeout_s(self) -> float:
        """Of one try: a second one must fit in before the node has to stop what it runs."""
        return max(TIMEOUT_MIN_S, min(0.9 * self.renew_interval_s, self.lease_duration_s / 3))


class KeeperLogic:
    """The keeper's state of mind."""

    def __init__(self, now: float, timings: KeeperTimings) -> None:
        self.timings = timings
        self.term = LeaseTerm(timings.lease_duration_s, timings.stop_margin_s)
        self.next_attempt_at = now
        self.released = False
        self.kept_until: float | None = None
        """Until when peers' promises let the node go on (design note 0003)."""
        self._agent_heard_at = now
        self._agent_gone = False
        self._turned_at = now
        self._failures = 0

    def turned(self, now: float) -> None:
        """At the beginning of every turn of the keeper's loop."""
        if now - self._turned_at > OWN_GAP_S and not self._agent_gone:
            self._agent_heard_at = max(self._agent_heard_at, now - AGENT_SILENT_S + AFTER_GAP_S)
        self._turned_at = now

    def retime(self, timings: KeeperTimings, now: float) -> None:
        """New timings; they hold from the next renewal, which is due an interval from now at the latest."""
        self.timings = timings
        self.term.retime(timings.lease_duration_s, timings.stop_margin_s, now)
        self.next_attempt_at = min(self.next_attempt_at, now + timings.renew_interval_s)

    def agent_heard(self, now: float) -> None:
        self._agent_heard_at = now
        self._agent_gone = False

    def agent_gone(self, now: float) -> None:
        """Its connection broke: no need to wait for silence."""
        self._agent_heard_at = min(self._agent_heard_at, now - AGENT_SILENT_S)
        self._agent_gone = True

    def absent(self, now: float) -> bool:
        return now - self._agent_heard_at >= AGENT_SILENT_S

    def renews(self, now: float) -> bool:
        """False when the agent has been away for so long that this node had better be given up."""
        return now - self._agent_heard_at < AGENT_AWAY_MAX_S

    def renewed(self, sent_at: float, lease_s: float) -> None:
        """Acknowledged; the next one is an interval after this one was sent."""
        self.term.renewed(sent_at, lease_s)
        self._failures = 0
        self.released = False
        self.next_attempt_at = sent_at + self.timings.renew_interval_s

    def failed(self, now: float, jitter: float) -> None:
        """Try again soon: after 0.1 of the interval, then twice as long, up to half of it; `jitter` is in [0, 1)."""
        factor = min(RETRY_FACTOR_MAX, RETRY_FACTOR_MIN * 2.0**self._failures)
        self._failures = min(self._failures + 1, 8)
        self.next_attempt_at = now + self.timings.renew_interval_s * factor * (0.5 + 0.5 * jitter)

    @property
    def stop_at(self) -> float | None:
        """When what others may take over must begin to stop."""
        if self.term.stop_at is None or self.kept_until is None:
            return self.term.stop_at
        return max(self.term.stop_at, self.kept_until - self.timings.stop_margin_s)

    def is_needed(self, now: float, *, dismissed: bool) -> bool:
        """False when no agent comes back to this keeper: at once where the node is let go, and after a while where its lease has
        run out, and all is released, or where it never had one."""
        if dismissed and self.absent(now):
            return False
        return self.renews(now) or not (self.released or self.stop_at is None)

    @property
    def lapse(self) -> Lapse | None:
        """How the lease stands, for peers to be asked in time."""
        term = self.term
        if term.sent_at is None or term.stop_at is None or term.expires_at is None:
            return None
        return Lapse(
            sent_at=term.sent_at,
            stop_at=term.stop_at,
            expires_at=term.expires_at,
            interval_s=self.timings.renew_interval_s,
            lease_s=term.carried_s,
        )

    def renew_now(self, now: float) -> None:
        """Don't wait for the next renewal's time."""
        self.next_attempt_at = min(self.next_attempt_at, now)

    def must_release(self, now: float) -> bool:
        """Whether to release now, in place of an agent that is not there to do it. Once per outage."""
        stop_at = self.stop_at
        return stop_at is not None and now >= stop_at and self.absent(now) and not self.released

    def wake_at(self, now: float) -> float:
        """When to look again."""
        times = [now + 0.25]
        if self.renews(now):
            times.append(self.next_attempt_at)
        if self.stop_at is not None and self.stop_at > now:
            times.append(self.stop_at)
        return min(times)
