"""What a fence agent is told on standard input, and what its exit code means.

From the fence agents' interface (FenceAgentAPI.md) and "Pacemaker Explained", Special Meta-Attributes for Fencing Resources. Parameters
named `pcmk_*` are orders to the cluster and never reach the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from backstay.ocf.hostmap import parse_host_map


class PlugState(Enum):
    """What `status` answers."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FenceRequest:
    """One call of a fence agent. `action` is the agent's word; `target` may be empty for `monitor`."""

    action: str
    target: str
    params: Mapping[str, str]


def fence_stdin(request: FenceRequest) -> str:
    """The lines for standard input. Raises ValueError where a value would break out of its line."""
    given = request.params
    arguments = {name: value for name, value in given.items() if not name.startswith("pcmk_")}
    arguments["action"] = given.get(f"pcmk_{request.action}_action", request.action)
    if request.target:
        arguments["nodename"] = request.target
        argument = given.get("pcmk_host_argument", "plug")
        if argument != "none" and argument not in arguments:
            arguments[argument] = plug_of(request.target, given.get("pcmk_host_map", ""))
    for name, value in arguments.items():
        if "\n" in name + value or "\0" in name + value or "=" in name:
            raise ValueError(f"parameter {name!r} can't be handed to a fence agent")
    return "".join(f"{name}={value}\n" for name, value in sorted(arguments.items()))


def plug_of(target: str, host_map: str) -> str:
    """The plug of a node by a host map such as `node1:1;node2:2,3`; the node's name where it has no entry."""
    return dict(parse_host_map(host_map).entries).get(target, target)


def plugs_listed(text: str) -> frozenset[str]:
    """Every word of what `list` prints (`plug,alias`, `plug,alias,state`, or columns), in lower case."""
    return frozenset(text.lower().replace(",", " ").split())


def plug_state(rc: int) -> PlugState:
    """`status` answers 0 for on and 2 for off."""
    return {0: PlugState.ON, 2: PlugState.OFF}.get(rc, PlugState.UNKNOWN)
