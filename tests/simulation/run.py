"""One seed from beginning to end."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from simulation.administrator import Administrator
from simulation.adversary import Adversary
from simulation.departure import depart
from simulation.drill import bulk, drill
from simulation.operator import use_virtual_time
from simulation.recovery import recover
from simulation.setting import draw
from simulation.settling import leave
from simulation.world import EVERYWHERE, LogLines, World, clone, group, resource

BOOT_S = 6.0
DEPARTS_EVERY = 4
"""Seeds: one in so many ends with an uninstallation."""
CLONES_EVERY = 3
"""Seeds: one in so many has a clone that runs on every host."""


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


def run_seed(
    seed: int,
    *,
    talk: bool = False,
    faults: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Report:
    """For a process that does nothing else: the programs' clocks and dice are replaced in it.

    `faults`: only these, instead of what the seed chooses; `overrides`: parts of the Setting."""
    use_virtual_time(seed)
    dice = random.Random(f"{seed}/plan")
    setting = replace(draw(random.Random(f"{seed}/setting")), **(overrides or {}))
    world = World(seed, setting, talk=talk)
    if talk:
        logging.disable(logging.NOTSET)
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().handlers[:] = [LogLines(world)]
    administrator = Administrator(world, random.Random(f"{seed}/administrator"))
    adversary = Adversary(world, administrator, random.Random(f"{seed}/adversary"), faults=faults)
    world.story(f"seed {seed}: {setting.words}; faults: {', '.join(adversary.temperament)}")
    set_up(world, clones=seed % CLONES_EVERY == 0)
    world.run(BOOT_S)
    for pause in adversary.chaos(dice.uniform(30.0, 60.0)):
        world.run(pause)
    adversary.heal()
    names = sorted(world.hosts)
    idle = dice.choice(["", names[0]]) if len(names) > 2 else ""
    administrator.all_nodes_on(but=idle)
    leaver = choose_leaver(world, adversary, random.Random(f"{seed}/leaver"), but=idle)
    able = [name for name in names if name not in (idle, leaver)]
    if (
        setting.fencing == "none"
        and setting.dog is None
        and dice.random() < 0.5
        and (len(able) > 1 or not leaver)
    ):
        unplug(world, administrator, dice.choice(able))
    recover(world, administrator)
    if setting.slow and not world.checkers.violations:
        drill(world, administrator)
    if seed % DEPARTS_EVERY == 0 and not world.checkers.violations:
        depart(world)
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


def choose_leaver(world: World, adversary: Adversary, dice: random.Random, *, but: str) -> str:
    """Where Nodes have come and gone, one sometimes stays away for good. Empty: none."""
    names = [name for name in sorted(world.hosts) if name != but]
    if not adversary.moves_nodes or len(names) < 2 or dice.random() < 0.5:
        return ""
    name = dice.choice(names)
    leave(world, name)
    world.left.add(name)
    return name


def unplug(world: World, administrator: Administrator, name: str) -> None:
    """A host is gone for good, and only a person can say so."""
    host = world.hosts[name]
    host.unplugged = True
    host.power_off("its cable is pulled")
    world.power.ended[host.boot_id] = "somebody who pulled its cable"
    administrator.gone = name


def set_up(world: World, *, clones: bool) -> None:
    """Hosts, and something of each kind to run."""
    world.set_up()
    world.wanted = [resource("vip", requires="quorum", interval="3s"), resource("db")]
    if clones:
        world.wanted.append(clone(EVERYWHERE))
        world.checkers.clones.add(EVERYWHERE)
    for manifest in (*world.wanted, group("web", ["fs", "ip", "www"])):
        world.apply(manifest)
    world.checkers.groups["web"] = ["fs", "ip", "www"]
    if world.setting.slow:
        world.apply(bulk())
    world.boot_all()
