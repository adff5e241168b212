"""When a lease runs out, as its holder must count it, also while its timings change. Pure; standard library only.

Others go by the duration that the Lease in the API carries, so new timings hold from the first renewal that carries them: a
shorter lease that held at once would run out at the moment it is configured. But a renewal with the new duration may have been
taken in though its answer was lost. It was sent after the change, so until such a renewal is acknowledged the lease may also run
out a new duration after the change, and no earlier.
"""

from __future__ import annotations


class LeaseTerm:
    """Durations in seconds, times of CLOCK_BOOTTIME. `lease_s` and `margin_s` are those in force, `sent_at` and `carried_s` of
    the last renewal that was acknowledged."""

    def __init__(self, lease_s: float, margin_s: float) -> None:
        self.lease_s = lease_s
        self.margin_s = margin_s
        self.sent_at: float | None = None
        self.carried_s = lease_s
        self._carried_margin_s = margin_s
        self._changed_at = float("-inf")
        self._bound_at = float("inf")

    def retime(self, lease_s: float, margin_s: float, now: float) -> None:
        """New timings, which no renewal sent before `now` has carried."""
        if lease_s != self.lease_s and self.sent_at is not None:
            self._changed_at = now
            self._bound_at = min(self._bound_at, now + lease_s)
        elif lease_s == self.carried_s:
            self._carried_margin_s = margin_s
        self.lease_s, self.margin_s = lease_s, margin_s

    def renewed(self, sent_at: float, carried_s: float) -> None:
        """Acknowledged; an older one than known changes nothing."""
        if self.sent_at is not None and sent_at <= self.sent_at:
            return
        first, self.sent_at, self.carried_s = self.sent_at is None, sent_at, carried_s
        if carried_s == self.lease_s and sent_at >= self._changed_at:
            self._carried_margin_s, self._bound_at = self.margin_s, float("inf")
        elif first:
            # Told by a predecessor. When the timings changed is not known: any time after that renewal.
            self._carried_margin_s = min(self.margin_s, carried_s / 3)
            self._bound_at = sent_at + self.lease_s

    @property
    def expires_at(self) -> float | None:
        """When others may take over, at the earliest; None before any renewal."""
        return None if self.sent_at is None else min(self.sent_at + self.carried_s, self._bound_at)

    @property
    def stop_at(self) -> float | None:
        """When to begin to stop what others may take over."""
        if self.sent_at is None:
            return None
        return min(self.sent_at + self.carried_s - self._carried_margin_s, self._bound_at - self.margin_s)
