"""One seed from beginning to end."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from simulation.administrator import Administrator
from simulation.adversary import Adversary
from simulation.operator import use_virtual_time
from simulation.recovery import recover
from simulation.world import LogLines, World, group, resource

BOOT_S = 6.0


@dataclass
class Report:
    """What came of it."""

    seed: int
    violations: list[dict[str, Any]]
    simulated_s: float
    trace: str
    counts: dict[str, int]
    faults: dict[str, int]
    excused: int
    recovered_s: float
    story: list[str] = field(default_factory=list)


def run_seed(seed: int, *, talk: bool = False, faults: Sequence[str] = ()) -> Report:
    """For a process that does nothing else: the programs' clocks and dice are replaced in it.

    `faults`: only these, instead of what the seed chooses."""
    use_virtual_time(seed)
    dice = random.Random(f"{seed}/plan")
    world = World(seed, hosts=dice.choice([2, 3, 3, 3, 3, 4, 5]), talk=talk)
    if talk:
        logging.disable(logging.NOTSET)
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().handlers[:] = [LogLines(world)]
    administrator = Administrator(world, random.Random(f"{seed}/administrator"))
    adversary = Adversary(world, administrator, random.Random(f"{seed}/adversary"), faults=faults)
    world.story(f"seed {seed}: {len(world.hosts)} hosts; faults: {', '.join(adversary.temperament)}")
    set_up(world)
    world.run(BOOT_S)
    for pause in adversary.chaos(dice.uniform(30.0, 60.0)):
        world.run(pause)
    adversary.heal()
    administrator.all_nodes_on(but=dice.choice(["", sorted(world.hosts)[0]]) if len(world.hosts) > 2 else "")
    recover(world, administrator)
    return Report(
        seed=seed,
        violations=[asdict(one) for one in world.checkers.violations],
        simulated_s=world.loop.time(),
        trace=world.trace,
        counts=dict(sorted(world.checkers.counts.items())),
        faults=adversary.tried,
        excused=world.checkers.excused,
        recovered_s=world.checkers.recovered_s,
        story=world.lines,
    )


def set_up(world: World) -> None:
    """Hosts, and something of each kind to run."""
    world.set_up()
    world.apply(resource("vip", requires="quorum", interval="3s"))
    world.apply(resource("db"))
    world.apply(group("web", ["fs", "ip", "www"]))
    world.checkers.groups["web"] = ["fs", "ip", "www"]
    world.boot_all()
