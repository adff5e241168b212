"""The transition graph: what shall be done, and what must be done before it.

A graph is a value made by the scheduler. Invariants, checked on construction: ids are the positions in
`actions`, every input exists, and there are no cycles (the scheduler broke them; a runner would wait for
ever).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from backstay.state.resource import Agent


class ActionKind(Enum):
    RESOURCE = "resource"  # an agent's operation on a node
    PSEUDO = "pseudo"  # a mark in the order of things; done as soon as its inputs are
    FENCING = "fencing"  # cut a node off
    CLUSTER = "cluster"  # bookkeeping: do_shutdown, clear_failcount, lrm_delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do. `node` is where; for fencing it is the target. `resource` is the instance's name, `xml_id`
    what its node calls it if that differs, `base_id` the configured id. Times are milliseconds."""

    id: int
    kind: ActionKind
    operation: str  # start, stop, monitor, promote, cancel, delete, stonith, do_shutdown, ...
    key: str = ""  # resource_operation_interval, unique per node
    node: str | None = None
    resource: str | None = None
    xml_id: str | None = None
    base_id: str | None = None
    agent: Agent | None = None
    interval_ms: int = 0
    timeout_ms: int = 20_000
    start_delay_ms: int = 0
    target_rc: int | None = None  # for probes and reprobing monitors; None: 0
    fencing_action: str | None = None  # reboot, off, on
    params: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)  # handed to the agent as CRM_meta_*
    priority: int = 0
    inputs: tuple[int, ...] = ()  # ids of actions that must succeed first, ascending
    after_node_down: bool = False  # a pseudo stop that fencing implies

    def describe(self) -> str:
        """A short name for logs: `stop fs on node1`."""
        where = f" on {self.node}" if self.node else ""
        what = self.resource or ""
        interval = f" every {self.interval_ms} ms" if self.interval_ms else ""
        return f"{self.operation} {what}{where}{interval}".replace("  ", " ")


@dataclass(frozen=True, slots=True)
class Graph:
    """All actions of one transition, in the order in which equals are to be started."""

    actions: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        for position, action in enumerate(self.actions):
            assert action.id == position, "ids are positions"
            assert all(0 <= one < len(self.actions) for one in action.inputs), "inputs exist"
        assert not self._cycle(), f"the graph has a cycle: {self._cycle()}"

    def __len__(self) -> int:
        return len(self.actions)

    def successors(self) -> tuple[tuple[int, ...], ...]:
        """For every action, the ids of those that wait for it."""
        found: list[list[int]] = [[] for _ in self.actions]
        for action in self.actions:
            for one in action.inputs:
                found[one].append(action.id)
        return tuple(tuple(one) for one in found)

    def _cycle(self) -> tuple[int, ...]:
        """The actions that can never start; empty if all can."""
        waiting = [len(action.inputs) for action in self.actions]
        successors = self.successors()
        ready = [one for one, count in enumerate(waiting) if count == 0]
        done = 0
        while ready:
            done += 1
            for one in successors[ready.pop()]:
                waiting[one] -= 1
                if waiting[one] == 0:
                    ready.append(one)
        if done == len(self.actions):
            return ()
        return tuple(one for one, count in enumerate(waiting) if count > 0)
