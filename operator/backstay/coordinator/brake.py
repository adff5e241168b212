"""Slows down transitions that follow one another without a reason from outside: they are a loop.

What changes outside (a node, the configuration, a failure) is never held up by this; the caller sees to that.
"""

from __future__ import annotations

from backstay.coordinator.run import Run
from backstay.transition.runner import Verdict

BRAKE_AFTER = 5
BRAKE_MAX_S = 30.0


class Brake:
    """Counts repeats. `not_before` is when the next transition without a reason from outside may begin (monotonic seconds)."""

    def __init__(self) -> None:
        self.not_before = 0.0
        self._repeats = 0

    def nothing_to_do(self) -> None:
        """The state is as it should be."""
        self._repeats = 0

    def ended(self, run: Run, now: float, *, gave_up_for_s: float) -> None:
        """A transition ended. `gave_up_for_s`: how long to leave a fencing alone that failed too often; 0 while it did not.

        What a person changed or asked for begins the count anew: it would else end at the first abort, for what came before it."""
        if run.context.trigger.from_people:
            self._repeats = 0
        inner = run.context.trigger.from_within or run.verdict is not Verdict.COMPLETE
        self._repeats = self._repeats + 1 if inner else 0
        if run.fencing_failed:
            self.not_before = now + max(min(BRAKE_MAX_S, 2.0 ** min(self._repeats, 6)), gave_up_for_s)
        elif self._repeats > BRAKE_AFTER:
            self.not_before = now + min(BRAKE_MAX_S, 0.2 * 2 ** min(self._repeats - BRAKE_AFTER, 10))
