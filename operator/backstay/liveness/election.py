"""Election of the DC by a Lease, as a step function: `step(view, now) -> what to do`.

A candidate trusts only its own clock: it takes a Lease over when it has *watched* the holder's record unchanged for the Lease's
duration. The holder counts from before it sent its last good renewal and stops acting `margin` earlier than others may begin. Writes
carry the resourceVersion, so two candidates cannot both win. What makes a late writer harmless is the epoch, not this election.

The pace follows the cluster's heartbeat: a DC that dies with its host is replaced before the host's own Lease has run out, so that
the loss of the DC's host costs little more than the loss of any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ElectionStep(Enum):
    """What the shell shall do now."""

    WAIT = "wait"
    CREATE = "create"
    RENEW = "renew"
    TAKE = "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """The DC Lease as last read. `token` changes with every write of its holder."""

    holder: str
    token: str
    duration_s: float


PACE_MIN_S, PACE_MAX_S = 0.3, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the DC Lease holds, how often it is renewed, and how much earlier its holder stops acting; in seconds."""

    duration_s: float
    renew_s: float
    margin_s: float

    def __post_init__(self) -> None:
        assert self.renew_s < self.duration_s - self.margin_s, "no time for a renewal"


def pace_of(lease_duration_s: float) -> Pace:
    """The pace for a cluster whose nodes' Leases last so long: two thirds of that, within bounds."""
    duration_s = min(PACE_MAX_S, max(PACE_MIN_S, lease_duration_s * 2 / 3))
    return Pace(duration_s=duration_s, renew_s=duration_s / 5, margin_s=duration_s / 4)


class Candidate:
    """One operator replica's part in the election of one cluster's DC. `pace` may be changed at any time."""

    def __init__(self, identity: str, pace: Pace) -> None:
        self.identity = identity
        self.pace = pace
        self._good_until = float("-inf")
        self._token: str | None = None
        self._since = 0.0
        self._good_send: float | None = None
        self._last_try = float("-inf")

    def observe(self, view: LeaseView | None, now: float) -> None:
        """The Lease as read or watched; None when there is none."""
        token = f"{view.holder}/{view.token}" if view is not None else ""
        if token != self._token:
            self._token = token
            self._since = now
        if view is None or view.holder != self.identity:
            self._good_send = None

    def leads(self, now: float) -> bool:
        """Whether this replica may act as the DC at `now`."""
        return self._good_send is not None and now < self._good_until

    def step(self, view: LeaseView | None, now: float) -> ElectionStep:
        """What to do; call `sent` before a write and `succeeded` or `failed` after."""
        if now - self._last_try < min(self.pace.renew_s, 0.05):
            return ElectionStep.WAIT
        if view is None:
            return ElectionStep.CREATE
        if view.holder == self.identity:
            due = self._good_send is None or now - self._good_send >= self.pace.renew_s
            return ElectionStep.RENEW if due else ElectionStep.WAIT
        if not view.holder or now - self._since >= view.duration_s:
            return ElectionStep.TAKE
        return ElectionStep.WAIT

    def sent(self, now: float) -> None:
        """A write is about to be sent. Should it be taken in and its answer be lost, others go by its duration."""
        self._last_try = now
        self._good_until = min(self._good_until, self._hold_until(now))

    def succeeded(self, sent_at: float) -> None:
        """The write sent at `sent_at` was accepted: we hold the Lease since then."""
        self._good_send = sent_at
        self._good_until = self._hold_until(sent_at)

    def _hold_until(self, sent_at: float) -> float:
        return sent_at + self.pace.duration_s - self.pace.margin_s

    def lost(self) -> None:
        """The Lease is somebody else's."""
        self._good_send = None

    def wake_in(self, view: LeaseView | None, now: float) -> float:
        """Seconds until `step` may have something new to say."""
        if view is None:
            return 0.05
        if view.holder == self.identity:
            base = self._good_send if self._good_send is not None else now
            return max(0.01, base + self.pace.renew_s - now)
        return max(0.01, self._since + view.duration_s - now)
