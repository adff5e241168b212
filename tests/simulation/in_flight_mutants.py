"""Mutants of a DC that plans with actions in flight (design note 0014): one waits for all of them, one forgets them,
one takes a fencing in flight for done."""

from __future__ import annotations

from typing import Any

from backstay.coordinator import Coordinator, under_way
from backstay.fencing import fencer

STRANGERS = "nothing waits for strangers"


def waits_for_strangers() -> None:
    """A DC with anything in flight does not schedule."""
    real = Coordinator._maybe_schedule

    def schedule(self: Any, *args: Any) -> None:
        if not self._way.flights(self._book):
            real(self, *args)

    Coordinator._maybe_schedule = schedule  # type: ignore[method-assign]


def flight_forgotten() -> None:
    """What an earlier transition has in flight is not known to the next."""
    under_way.UnderWay.flights = lambda self, book: []  # type: ignore[method-assign]


def fencing_assumed() -> None:
    """A fencing without an answer in time, or with a bad one, counts as done."""
    fencer.Fencer.failed = lambda self, step, executors: self.succeeded(step)  # type: ignore[method-assign]
