"""What kind of cluster a seed has: how many hosts, which policy, and by what a lost host is proven dead. Drawn before anything runs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

CLUSTER = "c"
"""The name of the HACluster."""
CLOCK_ERROR_PERMILLE = 10
RESET_MS = 500


@dataclass(frozen=True)
class Dog:
    """Numbers of HACluster.spec.watchdog, in milliseconds; the takeover delay is the shortest that the rule allows."""

    deadline_ms: int
    timeout_s: int

    @property
    def takeover_ms(self) -> int:
        bound = (self.deadline_ms + 3000 * self.timeout_s + RESET_MS) * (1000 + CLOCK_ERROR_PERMILLE)
        return -(-bound // (1000 - CLOCK_ERROR_PERMILLE))

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "deadlineMilliseconds": self.deadline_ms,
            "timeoutSeconds": self.timeout_s,
            "resetMilliseconds": RESET_MS,
            "clockErrorPermille": CLOCK_ERROR_PERMILLE,
            "takeoverDelayMilliseconds": self.takeover_ms,
        }


@dataclass(frozen=True)
class Setting:
    """Of one seed."""

    hosts: int = 3
    policy: str = "stop"
    """noQuorumPolicy."""
    fencing: str = "switch"
    """`switch`: one device for all. `pair`: two, each enough by itself. `levels`: a switch for each of two power supplies, both needed,
    and a management board behind them. `none`."""
    dog: Dog | None = None
    probes: bool = True
    """enableStartupProbes: without them only histories say what runs."""
    slow: bool = False
    """Whether one resource's agent takes its time."""

    @property
    def words(self) -> str:
        dog = f", watchdog {self.dog.deadline_ms} ms/{self.dog.timeout_s} s" if self.dog is not None else ""
        slow = ", a slow agent" if self.slow else ""
        probes = "" if self.probes else ", no probes"
        return f"{self.hosts} hosts, {self.policy}, fencing by {self.fencing}{dog}{probes}{slow}"

    @property
    def needs_quorum(self) -> bool:
        return self.policy != "ignore"

    @property
    def devices(self) -> dict[str, dict[str, Any]]:
        """FenceDevices by name: what differs from one another."""
        match self.fencing:
            case "switch":
                return {"power": {}}
            case "pair":
                return {"power": {"priority": 1}, "board": {}}
            case "levels":
                return {"supply-a": {"level": 1}, "supply-b": {"level": 1}, "board": {"level": 2}}
            case _:
                return {}


def draw(dice: random.Random) -> Setting:
    hosts = dice.choice([2, 2, 3, 3, 3, 3, 4, 5])
    policy = dice.choice([*["stop"] * 6, "freeze", "demote", "fence", "ignore", "ignore"])
    fencing = dice.choice([*["switch"] * 5, "pair", "levels", "levels", "none", *["dog"] * 3, "both"])
    dog = Dog(dice.choice([3000, 4000]), dice.choice([1, 1, 2])) if fencing in ("dog", "both") else None
    probes, slow = dice.random() < 0.8, dice.random() < 0.5
    return Setting(hosts, policy, {"dog": "none", "both": "switch"}.get(fencing, fencing), dog, probes, slow)
