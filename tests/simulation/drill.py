"""Nothing waits for strangers (design note 0014): while a long start is in flight, something that has nothing to do with it breaks, and
must be back within its usual bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backstay_nodeagent.orders import Verb
from simulation.administrator import Administrator
from simulation.slow import BULK, STOP_S
from simulation.world import resource

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

RULE = "nothing waits for strangers"
DRILL_S = 45.0
BOUND_S = 12.0
"""A monitor every 5 s that takes a moment, the way of its result, a stop and a start."""


def bulk() -> dict[str, Any]:
    """The manifest of what takes its time."""
    made = resource(BULK)
    made["spec"]["operations"] = [
        {"name": "monitor", "interval": "5s", "timeout": "60s"},
        {"name": "start", "timeout": "120s"},
        {"name": "stop", "timeout": "30s"},
    ]
    return made


def drill(world: World, administrator: Administrator) -> None:
    """In a cluster that has recovered: start `bulk` anew, and let the service of `db` die meanwhile."""
    _await_start(world)
    world.slow.next_start_s = DRILL_S
    for role in ("Stopped", "Started"):
        administrator.set_role(BULK, role)
        if not _runs_until(world, _is_starting if role == "Started" else _is_gone):
            world.checkers.violation(RULE, f"{BULK} is not {role} after {2 * STOP_S[1]:.0f} s")
            return
    world.run(1.0)
    host = next((one for one in world.hosts.values() if "db" in one.active), None)
    if host is None:
        return  # an administrator wants it stopped
    world.story(f"DRILL: {BULK} starts on {_starting(world)}; db on {host.name} dies by itself")
    began, starts = world.loop.time(), world.checkers.started("db")
    del host.active["db"]
    while world.checkers.started("db") == starts or not any(
        "db" in one.active for one in world.hosts.values()
    ):
        if world.loop.time() - began > BOUND_S:
            world.checkers.violation(RULE, f"db is not back after {BOUND_S:.0f} s, while {BULK} starts")
            return
        world.run(0.5)
    _await_start(world)


def _await_start(world: World) -> None:
    """Let a start of it that is in flight end; each of them does."""
    while _starting(world):
        world.run(1.0)


def _runs_until(world: World, reached: Callable[[World], bool]) -> bool:
    until = world.loop.time() + 2 * STOP_S[1]
    while not reached(world):
        if world.loop.time() > until:
            return False
        world.run(0.5)
    return True


def _is_gone(world: World) -> bool:
    return not any(BULK in host.active or _calls(host) for host in world.hosts.values())


def _is_starting(world: World) -> bool:
    return bool(_starting(world))


def _starting(world: World) -> list[str]:
    return [host.name for host in world.hosts.values() if Verb.START in _calls(host)]


def _calls(host: Host) -> list[Verb]:
    return [call.order.verb for call in host.calls.values() if call.running and call.order.resource == BULK]
