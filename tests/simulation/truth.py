"""What really runs where, and how agents behave: the simulation's own truth, which no program can see but through operations."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FAST = (0.02, 0.25)
MARGIN_PART = 0.7
"""A stop takes at most this part of `stopMargin`, unless the adversary says otherwise: the assumption behind `requires: quorum`."""


@dataclass
class Habit:
    """How one resource's agent behaves on one host, while it misbehaves."""

    fails: frozenset[str] = frozenset()
    hangs: frozenset[str] = frozenset()
    slow_s: float = 0.0
    lies: bool = False
    """A start says that it worked, and nothing runs; a monitor says that it failed, and all is well."""


@dataclass
class Plan:
    """How an operation will go: how long it takes (infinite: until it is killed), how it ends, what it does."""

    duration_s: float
    rc: int
    activates: bool = False
    deactivates: bool = False


@dataclass
class Behaviour:
    """All agents of one host."""

    dice: random.Random
    margin_s: float = 1.0
    habits: dict[str, Habit] = field(default_factory=dict)

    def plan(self, verb: str, resource: str, *, active: bool, requires: str) -> Plan:
        habit = self.habits.get(resource, Habit())
        if verb in habit.hangs:
            return Plan(float("inf"), 1, activates=verb == "start")
        duration_s = self.dice.uniform(*FAST) + (self.dice.uniform(0, habit.slow_s) if habit.slow_s else 0.0)
        if requires in ("quorum", "nothing") and verb == "stop":
            duration_s = min(duration_s, self.margin_s * MARGIN_PART)
        failed = verb in habit.fails
        match verb:
            case "start":
                starts = not habit.lies and (not failed or self.dice.random() < 0.3)
                return Plan(duration_s, 1 if failed else 0, activates=starts)
            case "stop":
                return Plan(duration_s, 1 if failed else 0, deactivates=not failed)
            case "monitor":
                found = 0 if active else 7
                return Plan(min(duration_s, 0.5), 1 if failed or (habit.lies and active) else found)
            case _:
                return Plan(duration_s, 1 if failed else 0)
