"""When a silent node is proven dead by its own watchdog (design note 0005). Pure.

The node feeds its watchdog only while its last good renewal is younger than D, or while a majority of peers promises to wait. After the
last check that said so it may be fed once more, paused for up to W; if its keeper is then killed the kernel feeds it once more,
up to W later; and it bites W after that. So at D + 3W + R nothing runs, by the node's clock, counted from before the renewal was
sent; a DC that has seen that renewal, and asks the API after L has passed by its own clock without finding a newer one, may go on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogClaim:
    """What a renewal said: armed, with this deadline (D) and timeout (W)."""

    deadline_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogRule:
    """What the cluster reckons with: R, rho and L."""

    reset_s: float
    clock_error: float
    takeover_delay_s: float

    def covers(self, claim: WatchdogClaim) -> bool:
        """Whether L is enough for what the node said. A claim that is worse than configured proves nothing."""
        return self.takeover_delay_s >= self._stretched(claim.deadline_s + self._after_the_check(claim))

    def after_quorum_s(self, claim: WatchdogClaim) -> float:
        """How long to wait when a quorum stands behind the takeover: until then the node may have lived by promises of peers."""
        return self._stretched(self._after_the_check(claim))

    def _after_the_check(self, claim: WatchdogClaim) -> float:
        return 3 * claim.timeout_s + self.reset_s

    def _stretched(self, seconds: float) -> float:
        """Of the node's clock, in those of the DC's: theirs may run slow, ours fast."""
        return seconds * (1 + self.clock_error) / (1 - self.clock_error)
