"""An operator process: the real World and Replica, with the clocks of its host. Only kopf is missing, which decides nothing."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from backstay_kube import reflector
from backstay_operator import dc, election, events, history, reading_watch, replica, statuses
from backstay_operator import world as world_module
from backstay_operator.exposition import SceneCollector
from backstay_operator.metrics import Metrics
from backstay_operator.replica import Replica
from backstay_operator.thought import Thought
from backstay_operator.world import World
from simulation import virtual_time
from simulation.api_server import SimClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.host import Host

LONG_THOUGHTS, LONGEST_THOUGHT_S = 0.05, 0.5
TIMED = (reflector, dc, election, events, history, reading_watch, replica, statuses, world_module)


def start_operator(host: Host) -> virtual_time.Process:
    """Begin a replica on this host."""
    world = host.world
    number = world.next_number()
    process = virtual_time.Process(f"{host.name}/operator{number}", host.clock)
    world.loop.start(process, _run(host, process, f"{host.name}_{number:05d}"))
    return process


async def _run(host: Host, process: virtual_time.Process, identity: str) -> None:
    from prometheus_client import CollectorRegistry

    await asyncio.sleep(host.dice.uniform(0.3, 1.0))
    client = SimClient(host.world.api, host.world.api.link(host.name), caller=process.name)
    world = World(client)

    async def think(step: Callable[[], Thought]) -> Thought:
        """The world goes on while a large cluster's DC thinks, and it has thought of how things were."""
        thought = step()
        if host.dice.random() < LONG_THOUGHTS:
            await asyncio.sleep(host.dice.uniform(0.0, LONGEST_THOUGHT_S))
        return thought

    following = Replica(
        world,
        client,
        identity=identity,
        metrics=Metrics(CollectorRegistry()),
        scenes=SceneCollector(),
        think=think,
    )
    tasks = [asyncio.create_task(world.run()), asyncio.create_task(following.run())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            error = task.exception()
            host.world.checkers.program_died(process.name, error)
    host.kill_operator()


def use_virtual_time(seed: int) -> None:
    """Give the programs' modules their hosts' clocks, and dice that a seed rules. For a process that does nothing else."""
    from backstay_nodeagent import plan_watch

    time = virtual_time.ProcessTime()
    for module in (*TIMED, plan_watch):
        if hasattr(module, "time"):
            module.time = time  # type: ignore[attr-defined]
    random.seed(seed)
