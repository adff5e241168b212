"""The storm brake: when more than max(1, N/2) nodes fall silent within one lease period, that is more likely our view than their death.

While it is on, the silent nodes are left alone: nobody fences them, nobody takes over what they run, whatever noQuorumPolicy says. It
goes on when so many were lost together and no quorum is heard, and off again when a quorum is back, or when no more than that number
are still unaccounted for (they came back, were fenced on request, or an administrator has confirmed that they are off).

Nodes never run out to the millisecond together. So already the first lost one is left alone while others that may be part of the same
storm are overdue; that lasts until they have renewed or run out too, a quarter of a lease at most. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.liveness.quorum import storm, storm_limit


@dataclass(frozen=True, slots=True)
class Brake:
    """`nodes` are left alone. `engaged`: it is a storm; false while it is only feared for a moment."""

    nodes: tuple[str, ...] = ()
    engaged: bool = False


NO_BRAKE = Brake()


class StormBrake:
    """One per DC term; a new DC finds out by its own clock. Call `look` at every step."""

    def __init__(self) -> None:
        self._engaged = False

    def look(
        self,
        *,
        lost: Mapping[str, float],
        overdue: Mapping[str, float],
        members: int,
        quorum: bool,
        window_s: float,
    ) -> Brake:
        """`lost` and `overdue`: when the last renewal of each such node was seen (monotonic seconds); `window_s`: a lease."""
        if self._engaged and (quorum or len(lost) <= storm_limit(members)):
            self._engaged = False
        elif not self._engaged and not quorum:
            self._engaged = bool(_storm_of(lost, members=members, window_s=window_s))
        if self._engaged:
            return Brake(tuple(sorted(lost)), engaged=True)
        feared = _storm_of({**overdue, **lost}, members=members, window_s=window_s)
        return Brake(tuple(sorted(name for name in feared if name in lost)))


def _storm_of(silent: Mapping[str, float], *, members: int, window_s: float) -> frozenset[str]:
    """Those that fell silent within one window, if they are too many; empty if no window has so many."""
    found: set[str] = set()
    for begin in silent.values():
        together = [name for name, at in silent.items() if begin <= at <= begin + window_s]
        if storm(members=members, lost_together=len(together)):
            found.update(together)
    return frozenset(found)
