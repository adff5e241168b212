"""Join a new transition graph to what is in flight (design note 0014).

A flight is an action that was sent to its node, or a fencing that was begun, and whose end is not known yet. `join` says which
actions of a new graph are in flight already (the new transition takes them over), and which must wait for a flight that the
graph knows nothing of. Everything else may be sent at once. Pure: the caller sends, withdraws and waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backstay.api import PlanAction
from backstay.coordinator.orders import ActionWriter
from backstay.coordinator.relations import Relations
from backstay.transition.graph import Action, ActionKind, Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """An action in flight. Times are monotonic seconds."""

    order: str
    """The id in the node's plan; of a fencing, its key in the crew."""
    node: str
    """Where it runs; of a fencing, its target."""
    operation: str
    """The verb in the plan; `fence` for a fencing."""
    resource: str = ""
    base: str = ""
    """The configured id of the resource."""
    interval_ms: int = 0
    begun: bool = False
    """Its node says that it runs; a fencing always counts as begun."""
    withdrawn: bool = False
    """The DC has taken it out of the plan, and its node has not acknowledged that yet."""
    after: tuple[str, ...] = ()
    """Other flights on its node behind which it was sent, as far as they are not over."""
    action: PlanAction | None = None
    """What the node was asked for; None where it is not known any more."""
    fencing_action: str = ""
    boot_id: str = ""
    """The boot that it was meant for; of a fencing, the boot that it is to end."""
    since: float = 0.0
    until: float | None = None
    """When its answer is late; None where nobody can say."""
    number: int = 0
    """The transition that sent it; 0: an earlier DC's."""

    @property
    def is_fencing(self) -> bool:
        return self.operation == "fence"

    @property
    def recurs(self) -> bool:
        """Whether it is the first run of a recurring monitor."""
        return self.operation == "monitor" and self.interval_ms > 0

    def describe(self) -> str:
        """`start db on n2`, for messages."""
        return (
            f"{self.operation} {self.resource} on {self.node}" if self.resource else f"fencing of {self.node}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """How a graph and the flights go together."""

    taken: Mapping[int, Flight] = field(default_factory=dict)
    """Action id -> the flight that it is."""
    waits: Mapping[int, tuple[Flight, ...]] = field(default_factory=dict)
    """Action id -> flights that must have ended before it may be sent."""


_TAKES_DOWN = ("stop", "demote")
_STRENGTH = {"on": 0, "reboot": 1, "off": 2}


def join(
    graph: Graph,
    flights: Sequence[Flight],
    *,
    writer: ActionWriter,
    boots: Mapping[str, str],
    relations: Relations,
) -> Joined:
    """See the module. `writer` tells what an action says in a plan, `boots` the present boot of each node. Flights must be in the state
    that the graph was made of, or be withdrawn after the call if they are not taken."""
    if not flights:
        return Joined()
    taken = _Matcher(graph, flights, writer=writer, boots=boots).taken()
    orders = {flight.order for flight in taken.values()}
    strangers = [flight for flight in flights if flight.order not in orders]
    return Joined(taken=taken, waits=_waits(graph, taken, strangers, writer=writer, relations=relations))


# -- which actions are in flight already


class _Matcher:
    """Finds the actions of the graph that flights are."""

    def __init__(
        self, graph: Graph, flights: Sequence[Flight], *, writer: ActionWriter, boots: Mapping[str, str]
    ) -> None:
        self._graph = graph
        self._flights = {flight.order: flight for flight in flights}
        self._writer = writer
        self._boots = boots
        self._successors = graph.successors()

    def taken(self) -> dict[int, Flight]:
        """The largest set of pairs in which every action's own conditions hold."""
        pairs = self._pairs()
        while True:
            dirty = self._behind_unsent(pairs)
            bad = [one for one, flight in pairs.items() if not self._may_take(one, flight, pairs, dirty)]
            if not bad:
                return pairs
            for one in bad:
                del pairs[one]

    def _pairs(self) -> dict[int, Flight]:
        """Actions that ask for what a flight does."""
        wanted: dict[tuple[str, str, str, int], list[Action]] = defaultdict(list)
        for action in self._graph.actions:
            if action.kind is not ActionKind.PSEUDO:
                wanted[self._key(action)].append(action)
        pairs: dict[int, Flight] = {}
        for flight in self._flights.values():
            key = (flight.operation, flight.resource, flight.node, flight.interval_ms)
            for action in wanted.get(key, ()):
                if action.id not in pairs and self._is_same(action, flight):
                    pairs[action.id] = flight
                    break
        return pairs

    def _key(self, action: Action) -> tuple[str, str, str, int]:
        """What a flight that is this action is called by."""
        if action.kind is ActionKind.FENCING:
            return ("fence", "", action.node or "", 0)
        name = self._writer.name_on_node(action)
        return (self._writer.verb_of(action), name, action.node or "", action.interval_ms)

    def _is_same(self, action: Action, flight: Flight) -> bool:
        if flight.withdrawn or flight.boot_id != self._boots.get(flight.node, ""):
            return False
        if flight.is_fencing:
            wanted = action.fencing_action or "reboot"
            return _STRENGTH.get(flight.fencing_action, -1) >= _STRENGTH.get(wanted, 1)
        if flight.operation in _TAKES_DOWN:
            # The agent runs it with the parameters of the start, whatever the definition says today.
            return True
        old = flight.action
        if old is None or not self._writer.is_for_agent(action):
            return False
        new = self._writer.plan_action(action, ())
        same = (new.agent, new.params, new.params_from, new.target_rc) == (
            *(old.agent, old.params, old.params_from, old.target_rc),
        )
        return same and (flight.operation != "notify" or new.meta == old.meta)

    def _may_take(self, id_: int, flight: Flight, pairs: Mapping[int, Flight], dirty: Sequence[bool]) -> bool:
        """What runs is taken over unless something else must be done to its resource first; what may not have begun only if all
        that must come first is in flight on the same node, in front of it."""
        if flight.begun:
            return not self._is_behind_own(id_, pairs)
        if dirty[id_] or any(one in self._flights and not self._is_taken(one, pairs) for one in flight.after):
            return False
        ahead = self._ahead(flight)
        return all(one.order in ahead for one in self._inputs_taken(id_, pairs))

    @staticmethod
    def _is_taken(order: str, pairs: Mapping[int, Flight]) -> bool:
        return any(flight.order == order for flight in pairs.values())

    def _ahead(self, flight: Flight) -> set[str]:
        """Orders behind which it was sent, the whole chain."""
        found: set[str] = set()
        queue = list(flight.after)
        while queue:
            one = queue.pop()
            if one not in found:
                found.add(one)
                queue += self._flights[one].after if one in self._flights else ()
        return found

    def _inputs_taken(self, id_: int, pairs: Mapping[int, Flight]) -> list[Flight]:
        """The nearest real actions before it, which are all taken where it is not dirty."""
        found, seen, queue = [], set[int](), list(self._graph.actions[id_].inputs)
        while queue:
            one = queue.pop()
            if one in seen:
                continue
            seen.add(one)
            if one in pairs:
                found.append(pairs[one])
            else:
                queue += self._graph.actions[one].inputs
        return found

    def _behind_unsent(self, pairs: Mapping[int, Flight]) -> list[bool]:
        """By action: whether a real action that is not in flight must come before it."""
        dirty = [False] * len(self._graph)
        queue = [
            action.id
            for action in self._graph.actions
            if action.kind is not ActionKind.PSEUDO and action.id not in pairs
        ]
        while queue:
            for one in self._successors[queue.pop()]:
                if not dirty[one]:
                    dirty[one] = True
                    queue.append(one)
        return dirty

    def _is_behind_own(self, id_: int, pairs: Mapping[int, Flight]) -> bool:
        """Whether an action on the same resource that is not in flight must come before it."""
        base = _base(self._graph.actions[id_])
        if not base:
            return False
        queue = [
            action.id
            for action in self._graph.actions
            if action.id not in pairs and action.id != id_ and _base(action) == base and _acts(action)
        ]
        seen = set(queue)
        while queue:
            for one in self._successors[queue.pop()]:
                if one == id_:
                    return True
                if one not in seen:
                    seen.add(one)
                    queue.append(one)
        return False


def _base(action: Action) -> str:
    return action.base_id or (action.resource or "").partition(":")[0]


def _acts(action: Action) -> bool:
    """Whether it changes what its resource does. A probe, and what is done in books, does not."""
    return action.kind is ActionKind.RESOURCE and action.operation not in ("monitor", "cancel")


# -- what has to wait


def _waits(
    graph: Graph,
    taken: Mapping[int, Flight],
    strangers: Iterable[Flight],
    *,
    writer: ActionWriter,
    relations: Relations,
) -> dict[int, tuple[Flight, ...]]:
    """Actions that conflict with flights that the graph does not hold."""
    found: dict[int, list[Flight]] = defaultdict(list)
    actions = [
        action
        for action in graph.actions
        if action.id not in taken and action.kind in (ActionKind.RESOURCE, ActionKind.CLUSTER)
    ]
    for flight in strangers:
        if flight.recurs:
            continue  # nothing waits for it; the agent ends it before it stops or demotes its resource
        related = _related(flight, relations)
        for action in actions:
            if _conflicts(action, writer.name_on_node(action), flight, related, relations):
                found[action.id].append(flight)
    return {one: tuple(flights) for one, flights in found.items()}


def _related(flight: Flight, relations: Relations) -> frozenset[str]:
    """Resources that may not act while it is in flight. The state that was scheduled says nothing of what is withdrawn: whatever
    has to do with it waits for the acknowledgement, a round trip."""
    if flight.is_fencing or not flight.base or flight.operation == "monitor":
        return frozenset()
    ordered = relations.ordered(flight.base)
    return ordered if flight.begun else ordered | relations.colocated(flight.base)


def _conflicts(
    action: Action, name: str, flight: Flight, related: frozenset[str], relations: Relations
) -> bool:
    """`name`: of the resource, as its node calls it. Instances of an anonymous clone share one, and act side by side."""
    if flight.is_fencing:
        return action.node == flight.node
    base = _base(action)
    if not base:
        return False
    if base == flight.base and action.node == flight.node:
        return True
    if name == flight.resource and not relations.anonymous(base):
        return True
    if base in related:
        return True
    takes_room = action.operation in ("start", "migrate_from") and action.node == flight.node
    return takes_room and not flight.begun and relations.rationed
