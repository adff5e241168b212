"""When the keeper may feed the watchdog, and what its renewals say of it (design note 0005). Pure; standard library only.

Others start what this node ran a fixed time after its last renewal, if that renewal said that a watchdog was armed, with which
deadline and timeout. So what a renewal has said must stay true until a later one has said otherwise *and was acknowledged*:

| state | renewals say | the device |
|---|---|---|
| OFF | nothing | is not open |
| ARMED | deadline and timeout | is fed while the last good renewal, or the peers' promises, are young enough |
| LEAVING | nothing | is fed as before, until a renewal that said nothing is acknowledged: then it is disarmed, OFF |

New timings: the shorter of each of old and new hold at once, the new ones when a renewal that said them is acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

FEEDS_PER_TIMEOUT = 8
FEED_PAUSE_MAX_S = 0.25
ARM_PART = 0.5
"""Of the deadline: a node arms only while its last good renewal is younger, for arming begins a countdown."""


class WatchdogState(Enum):
    OFF = "off"
    ARMED = "armed"
    LEAVING = "leaving"


@dataclass(frozen=True)
class Claim:
    """What a renewal says: fed only while the last good renewal is younger than `deadline_s`; bites `timeout_s` after the last feed."""

    deadline_s: float
    timeout_s: float

    def strictest(self, other: Claim) -> Claim:
        return Claim(min(self.deadline_s, other.deadline_s), min(self.timeout_s, other.timeout_s))


def claimed(said: Claim | None) -> str:
    """For the DC: milliseconds of deadline and timeout; empty without an armed watchdog."""
    return "" if said is None else f"{round(said.deadline_s * 1000)}/{round(said.timeout_s * 1000)}"


class WatchdogLogic:
    """One per keeper. Times are seconds of CLOCK_BOOTTIME."""

    def __init__(self) -> None:
        self.state = WatchdogState.OFF
        self.wanted: Claim | None = None
        self.force: Claim | None = None
        """What the device is fed by."""
        self.starved = False
        self._bound: Claim | None = None
        """What a predecessor's renewals in this boot have said: it may still be counted on."""
        self._changed_at = float("-inf")
        self._fed_at = float("-inf")

    @property
    def said(self) -> Claim | None:
        """What a renewal that is sent now shall say."""
        return self.wanted if self.state is WatchdogState.ARMED else None

    def recall(self, claim: Claim | None) -> None:
        """What the last acknowledged renewal of a predecessor said."""
        self._bound = claim

    def want(self, claim: Claim | None, now: float) -> None:
        """What the plan wants; None: no watchdog."""
        if claim == self.wanted:
            return
        self.wanted, self._changed_at = claim, now
        if self.state is WatchdogState.OFF:
            return
        assert self.force is not None
        self.state = WatchdogState.ARMED if claim is not None else WatchdogState.LEAVING
        if claim is not None:
            self.force = self.force.strictest(claim)

    def may_arm(self, now: float, sent_at: float | None) -> bool:
        """Whether to open the device now. `sent_at`: of the last good renewal."""
        if self.state is not WatchdogState.OFF or self.wanted is None or sent_at is None or self.starved:
            return False
        return now - sent_at < ARM_PART * self._to_be_held(self.wanted).deadline_s

    def _to_be_held(self, claim: Claim) -> Claim:
        return claim if self._bound is None else claim.strictest(self._bound)

    def armed(self, claim: Claim, now: float) -> None:
        """The device is open and bites after `claim.timeout_s` (a device may have its own idea of a timeout)."""
        assert self.state is WatchdogState.OFF
        self.state, self.wanted, self._changed_at = WatchdogState.ARMED, claim, now
        self.force = self._to_be_held(claim)
        self._fed_at = now

    def adopt(self, state: WatchdogState, force: Claim, wanted: Claim | None, now: float) -> None:
        """Take an open device over from a predecessor, with all that it had promised."""
        self.state, self.force, self.wanted, self._changed_at = state, force, wanted, now

    def renewed(self, sent_at: float, said: Claim | None) -> None:
        """A renewal that said this was acknowledged. See `may_disarm` after it."""
        if sent_at < self._changed_at:
            return
        self._bound = said
        if self.state is WatchdogState.ARMED and said is not None and said == self.wanted:
            self.force = said
        elif self.state is WatchdogState.LEAVING and said is None:
            self.state, self.force = WatchdogState.OFF, None

    def starve(self) -> None:
        """This node shall die: no feed from now on, whatever comes."""
        self.starved = True

    def feed_due(self, now: float) -> bool:
        return self.force is not None and now >= self.feed_at

    @property
    def feed_at(self) -> float:
        """When to feed next; infinite without a device."""
        if self.force is None:
            return float("inf")
        return self._fed_at + min(FEED_PAUSE_MAX_S, self.force.timeout_s / FEEDS_PER_TIMEOUT)

    def may_feed(self, now: float, *, sent_at: float | None, kept_until: float | None) -> bool:
        """The check. What comes between it and the feed is bounded by the watchdog itself."""
        if self.force is None or self.starved:
            return False
        young = sent_at is not None and now - sent_at < self.force.deadline_s
        return young or (kept_until is not None and now < kept_until)

    def fed(self, now: float) -> None:
        self._fed_at = now
