"""After the faults: does everything that is wanted run, once, where it may; is every request answered; is it quiet then?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backstay_kube import kinds
from simulation.setting import CLUSTER
from simulation.slow import BULK, EXTRA_S

if TYPE_CHECKING:
    from simulation.administrator import Administrator
    from simulation.host import Host
    from simulation.world import World

BOUND_S = 75.0
REFRESH_EVERY_S = 20.0
QUIET_S = 6.0


def recover(world: World, administrator: Administrator) -> None:
    """Let it recover within BOUND_S, people cleaning up what failed meanwhile; then it must keep still."""
    began = world.loop.time()
    refresh_at = began + 9.0
    wrong = ["nothing looked at yet"]
    slow_s = EXTRA_S if world.setting.slow else 0.0
    late: list[str] = []
    while not late and world.loop.time() - began < BOUND_S + slow_s:
        world.run(1.0)
        if not any(host.up for host in world.hosts.values()):
            _press_every_button(world)
        if world.loop.time() >= refresh_at:
            refresh_at += REFRESH_EVERY_S
            administrator.confirm_gone()
            administrator.turn_probes_on()
            administrator.refresh_all()
        wrong = what_is_wrong(world, administrator) if world.loop.time() > began + 12.0 else wrong
        # What was just asked is not answered yet.
        over = world.loop.time() - began >= BOUND_S and refresh_at - world.loop.time() < REFRESH_EVERY_S - 5.0
        late = [one for one in wrong if BULK not in one] if over else []
        if not wrong:
            break
    if wrong:
        took_s = world.loop.time() - began
        world.checkers.violation(
            "recovers within the bound", f"after {took_s:.0f} s: {'; '.join(late or wrong)}"
        )
        return
    world.checkers.recovered_s = world.loop.time() - began
    before = dict(world.checkers.counts)
    world.run(QUIET_S)
    for verb in ("start", "stop"):
        if world.checkers.counts[verb] != before.get(verb, 0):
            world.checkers.violation("keeps still when nothing is wrong", f"a {verb} though all was well")
    wrong = what_is_wrong(world, administrator)
    if wrong:
        world.checkers.violation("stays recovered", "; ".join(wrong))


def _press_every_button(world: World) -> None:
    """People had asked to fence every node, and whoever was to switch the last one on again was off by then."""
    world.story("every host is off: somebody switches them on")
    world.power.restore()
    for host in world.hosts.values():
        world.power.boot(host)


def what_is_wrong(world: World, administrator: Administrator) -> list[str]:
    """By the truth of what runs, and by what the objects say of it."""
    wrong: list[str] = []
    wanted: dict[str, str] = {}
    for obj in world.read_all(kinds.HARESOURCE):
        if _is_wanted(obj):
            wanted[obj["metadata"]["name"]] = ""
        _compare(world, obj, obj["metadata"]["name"], wrong)
    for obj in world.read_all(kinds.RESOURCEGROUP):
        members = [member["name"] for member in obj["spec"]["members"]]
        if _is_wanted(obj):
            wanted.update(dict.fromkeys(members, obj["metadata"]["name"]))
    nodes = {obj["metadata"]["name"]: obj for obj in world.read_all(kinds.HANODE)}
    places = {name: _places(world, name) for name in sorted(wanted)}
    for name, where in places.items():
        if name in world.checkers.clones:
            missing = [one for one in _able(world, nodes) if one not in where]
            wrong += [f"{name} runs on {where or 'nothing'}, and not on {missing}"] if missing else []
        elif len(where) != 1:
            wrong.append(f"{name} runs on {where or 'nothing'}")
    for group in sorted({one for one in wanted.values() if one}):
        if len({tuple(places[name]) for name, of in wanted.items() if of == group}) != 1:
            wrong.append(f"group {group} is torn apart")
    for host in world.hosts.values():
        wrong += [
            f"{one} runs on {host.name}, and is not wanted"
            for one in sorted(host.active)
            if one not in wanted
        ]
        wrong += _wrong_of_host(world, host, nodes.get(host.name))
    wrong += [f"no answer to {one}" for one in administrator.unanswered()]
    return wrong


def _able(world: World, nodes: dict[str, dict[str, Any]]) -> list[str]:
    """Hosts that are to run an instance of a clone."""
    specs = {name: node["spec"] for name, node in nodes.items()}
    return [
        host.name
        for host in world.hosts.values()
        if host.up
        and host.name not in world.left
        and host.name in specs
        and not (specs[host.name].get("standby") or specs[host.name].get("shutdown"))
    ]


def _wrong_of_host(world: World, host: Host, node: dict[str, Any] | None) -> list[str]:
    """What its HANode says and the truth are compared; who has left has none, nor a plan, and runs nothing."""
    name, runs = host.name, sorted(host.active)
    if name in world.left:
        ours = [kind for kind in (kinds.HANODE, kinds.HANODEPLAN) if _is_ours(world, kind, name)]
        rest = [f"the {kind.name} of {name}" for kind in ours]
        return [
            f"{name} has left, and {one} is there"
            for one in rest + ([f"what it runs ({runs})"] if runs else [])
        ]
    if node is None:
        return [f"{name} has no HANode"]
    spec, state = node["spec"], node.get("status", {}).get("state")
    if (spec.get("standby") or spec.get("shutdown")) and runs:
        return [f"{name} shall run nothing, and runs {runs}"]
    told = "Stopped" if spec.get("shutdown") else "Standby" if spec.get("standby") else "Online"
    if host.up and state != told:
        return [f"{name} is told to be {state}, and is {told}"]
    return []


def _is_ours(world: World, kind: kinds.Kind, name: str) -> bool:
    """Whether there is one of our cluster. What a rival left that was deleted with members in it is told as a stray, not removed."""
    obj = world.read(kind, name)
    return obj is not None and obj["spec"].get("cluster") == CLUSTER


def _is_wanted(obj: dict[str, Any]) -> bool:
    return bool(obj["spec"].get("meta", {}).get("targetRole", "Started") != "Stopped")


def _places(world: World, name: str) -> list[str]:
    return [host.name for host in world.hosts.values() if name in host.active]


def _compare(world: World, obj: dict[str, Any], name: str, wrong: list[str]) -> None:
    told = obj.get("status", {}).get("node", "")
    where = " ".join(_places(world, name))
    if told != where:
        wrong.append(f"{name} is told to be on {told or 'nothing'}, and runs on {where or 'nothing'}")
