"""Agents that take seconds to minutes. In half of all seeds there is `bulk`: a database in crash recovery, say."""

from __future__ import annotations

import random

from backstay_nodeagent.orders import Order, Verb

BULK = "bulk"
START_S, STOP_S, MONITOR_S = (3.0, 90.0), (0.5, 15.0), (2.0, 30.0)
EXTRA_S = 320.0
"""What `bulk` may need longer than others to recover: a stop, a start, and another of each where the first found no place."""


class SlowAgents:
    """How long operations of `bulk` take. `next_start_s`: the next start's, instead of one that is drawn."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.next_start_s = 0.0

    def stretched(self, order: Order, duration_s: float) -> float:
        """The duration of an operation."""
        if order.resource != BULK or duration_s == float("inf"):
            return duration_s
        match order.verb:
            case Verb.START:
                drawn = self.next_start_s or self._dice.uniform(*START_S)
                self.next_start_s = 0.0
                return drawn
            case Verb.STOP:
                return self._dice.uniform(*STOP_S)
            case Verb.MONITOR if self._dice.random() < 0.1:
                return self._dice.uniform(*MONITOR_S)
            case _:
                return duration_s
