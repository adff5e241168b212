"""The end of an installation: the cluster is shut down, its agents end for good, and so do the keepers; nobody is fenced for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backstay_kube import kinds
from backstay_operator.uninstall import still_held
from simulation.slow import EXTRA_S
from simulation.world import CLUSTER

if TYPE_CHECKING:
    from simulation.world import World

LET_GO_S, GONE_S = 30.0, 8.0
RULE = "a cluster that is shut down lets its nodes go"


def depart(world: World) -> None:
    """Of a cluster that has recovered."""
    boots = {name: host.boots for name, host in world.hosts.items()}
    world.story("administrator shuts the cluster down")
    world.write("PATCH", kinds.HACLUSTER.path(None, CLUSTER), {"spec": {"shutdown": True}})
    until = world.loop.time() + LET_GO_S + (EXTRA_S if world.setting.slow else 0.0)
    while (left := what_is_held(world)) and world.loop.time() < until:
        world.run(1.0)
    if left:
        world.checkers.violation(RULE, f"after {LET_GO_S:.0f} s: {'; '.join(left)}")
        return
    # A node that is still silent after all that happened to it cannot be told.
    gone = [world.hosts[name] for name, status in nodes(world).items() if status.get("dismissed")]
    for host in gone:
        host.kill_agent(away_s=float(1 << 20))
        world.run(GONE_S)
        if host.keeper is not None and host.keeper.process.alive:
            world.checkers.violation(RULE, f"the keeper of {host.name} has not gone with its agent")
    for host in gone:
        if not host.up or host.boots != boots[host.name]:
            world.checkers.violation(RULE, f"{host.name} was fenced for going")


def what_is_held(world: World) -> list[str]:
    """What runs, and which nodes have not been let go: as the uninstallation waits for it."""
    running = [f"{name} runs {sorted(host.active)}" for name, host in world.hosts.items() if host.active]
    return running + [text for one in world.read_all(kinds.HANODE) if (text := still_held(one))]


def nodes(world: World) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one.get("status", {}) for one in world.read_all(kinds.HANODE)}
