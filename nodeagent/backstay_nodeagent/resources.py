"""What the agent knows of each resource on its node: is it active, what runs on it, which monitors recur, how to stop it.

"Active" means *may be active*: from before a start until a stop succeeded or a probe found nothing. `sequence` tells the order in
which resources became active, for the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backstay.ocf.exitcode import ExitCode, shows_stopped
from backstay.state.choices import Requires
from backstay_nodeagent.operation import Operation, Outcome
from backstay_nodeagent.orders import Order, Verb

PROMOTED_CODES = (ExitCode.RUNNING_PROMOTED, ExitCode.FAILED_PROMOTED, ExitCode.DEGRADED_PROMOTED)


@dataclass(slots=True)
class Recurring:
    """A monitor that repeats; `due_at` is infinite while it runs."""

    order: Order
    due_at: float


@dataclass(slots=True)
class ResourceState:
    """`order` is the last one that said how it runs: agent and parameters are those that it was started with, the rest is as of the
    newest order."""

    id: str
    order: Order
    active: bool = False
    promoted: bool = False
    sequence: int = 0
    running: Operation | None = None
    recurring: dict[int, Recurring] = field(default_factory=dict)

    @property
    def releasable(self) -> bool:
        """Whether others may take it over once the lease has expired."""
        waits_for_fencing = self.order.requires in (Requires.FENCING, Requires.UNFENCING)
        return self.active and not waits_for_fencing and not self.order.agent.startswith("stonith:")

    def release_orders(self) -> list[Order]:
        """How to stop it without being told to: demote first where it is promoted."""
        verbs = [Verb.DEMOTE, Verb.STOP] if self.promoted else [Verb.STOP]
        return [
            replace(
                self.order,
                id="",
                verb=verb,
                interval_ms=0,
                timeout_ms=self.order.stop_timeout_ms,
                start_delay_ms=0,
                after=(),
                target_rc=0,
            )
            for verb in verbs
        ]


class ResourceBook:
    """All resources by id. Changes that must survive the agent go into `journal`."""

    def __init__(self, journal: dict[str, Any]) -> None:
        self._journal = journal
        self._states: dict[str, ResourceState] = {}
        self._watched: dict[str, ResourceState] = {}
        """Those with recurring monitors."""
        self._carried: set[str] = set()
        """Those that may be active by what was saved last."""
        self._sequence = 0
        self.revision = 0
        """Rises when what a release would do has changed."""

    def __iter__(self) -> Iterator[ResourceState]:
        return iter(self._states.values())

    @property
    def watched(self) -> Iterable[ResourceState]:
        """Those with recurring monitors: few of all that the node was ever asked about."""
        return self._watched.values()

    def get(self, resource: str) -> ResourceState | None:
        return self._states.get(resource)

    def of(self, order: Order) -> ResourceState:
        """The state of the order's resource, made if need be."""
        state = self._states.get(order.resource)
        if state is None:
            state = self._states[order.resource] = ResourceState(order.resource, order)
        return state

    def copy_of(self, order: Order) -> ResourceState:
        """The order's resource as it is, to `restore` it by."""
        return replace(self.of(order))

    def restore(self, before: ResourceState) -> None:
        """What `begins` has put down is not so: nothing was begun."""
        state = self._states[before.id]
        state.order, state.active, state.promoted = before.order, before.active, before.promoted
        state.sequence = before.sequence
        self.save(state)

    def begins(self, order: Order) -> None:
        """An operation is about to run: from now on the resource may be active."""
        state = self.of(order)
        if not order.verb.takes_down and order.verb is not Verb.NOTIFY:
            state.order = order if order.verb.configures or not state.active else _as_of(state.order, order)
        if order.verb is Verb.PROMOTE:
            state.promoted = True
        if order.verb.activates:
            self._activate(state)
        self.save(state)

    def as_it_runs(self, order: Order) -> Order:
        """The order as it is to be carried out. What takes a resource down is given the agent and the parameters that the resource was
        started with, whatever its definition says today, if there still is one: an address that was changed is taken away as it was."""
        state = self._states.get(order.resource)
        if state is None or not state.active or not order.verb.takes_down:
            return order
        return _as_of(state.order, order)

    def ended(self, order: Order, outcome: Outcome) -> None:
        """Draw the conclusions of a result that was not cancelled."""
        state = self.of(order)
        before = state.active, state.promoted
        succeeded = outcome.success(order)
        match order.verb:
            case Verb.STOP if succeeded:
                state.active = state.promoted = False
            case Verb.DEMOTE if succeeded:
                state.promoted = False
            case Verb.MONITOR if order.probe and outcome.rc == ExitCode.NOT_RUNNING:
                state.active = state.promoted = False
            case Verb.MONITOR if order.probe and shows_stopped(outcome.rc):
                pass  # no agent: nothing was ever started by it, unless we know better
            case Verb.MONITOR if order.probe:
                # Anything but "not running" may be running.
                state.promoted = outcome.rc in PROMOTED_CODES
                if not state.active:
                    self._activate(state)
            case Verb.MONITOR if outcome.rc in PROMOTED_CODES:
                state.promoted = True
            case _:
                pass
        if (state.active, state.promoted) != before:
            self.save(state)

    def standing_on(self, state: ResourceState) -> list[str]:
        """Active members of the same group that were started after this one, the newest first."""
        group = state.order.group
        above = [
            one
            for one in self._states.values()
            if group and one.active and one.order.group == group and one.sequence > state.sequence
        ]
        return [one.id for one in sorted(above, key=lambda one: -one.sequence)]

    def recur(self, order: Order, due_at: float) -> None:
        self._watch(order, due_at)
        self._journal[f"recurring/{order.resource}/{order.interval_ms}"] = order.to_json()

    def end_recurring(self, state: ResourceState, interval_ms: int) -> bool:
        """Forget one recurring monitor; False if there was none."""
        if state.recurring.pop(interval_ms, None) is None:
            return False
        if not state.recurring:
            del self._watched[state.id]
        self._journal[f"recurring/{state.id}/{interval_ms}"] = None
        return True

    def drop(self, state: ResourceState) -> None:
        """Forget a resource; the caller has seen that it is not active and nothing runs on it."""
        assert not state.active, f"{state.id} may be active, and must be known to the release"
        assert state.running is None, f"an operation runs on {state.id}"
        for interval_ms in list(state.recurring):
            self.end_recurring(state, interval_ms)
        del self._states[state.id]
        self._carried.discard(state.id)
        self._journal[f"resource/{state.id}"] = None
        self.revision += 1

    def save(self, state: ResourceState) -> None:
        if state.active or state.id in self._carried:
            self.revision += 1
        if state.active:
            self._carried.add(state.id)
        else:
            self._carried.discard(state.id)
        self._journal[f"resource/{state.id}"] = {
            "order": state.order.to_json(),
            "active": state.active,
            "promoted": state.promoted,
            "sequence": state.sequence,
        }

    def load(self, journal: Mapping[str, Any], now: float) -> None:
        """Read back; recurring monitors are due one interval from now at the latest, spread over it by their order."""
        for name, value in journal.items():
            if name.startswith("resource/"):
                order = Order.from_json(value["order"])
                state = self.of(order)
                state.active, state.promoted = value["active"], value["promoted"]
                state.sequence = value["sequence"]
                self._sequence = max(self._sequence, state.sequence)
                if state.active:
                    self._carried.add(state.id)
        recurring = [
            Order.from_json(value) for name, value in journal.items() if name.startswith("recurring/")
        ]
        for place, order in enumerate(recurring):
            delay_s = min(order.interval_ms / 1000, 10.0) * (place + 1) / (len(recurring) + 1)
            self._watch(order, now + delay_s)
        self.revision += 1

    def _watch(self, order: Order, due_at: float) -> None:
        state = self.of(order)
        state.recurring[order.interval_ms] = Recurring(order, due_at)
        self._watched[state.id] = state

    def _activate(self, state: ResourceState) -> None:
        if not state.active:
            self._sequence += 1
            state.sequence = self._sequence
        state.active = True


def _as_of(started: Order, order: Order) -> Order:
    """An order with the agent and the parameters of another."""
    return replace(order, agent=started.agent, params=started.params, params_from=started.params_from)


def release_chains(states: Iterator[ResourceState]) -> list[list[str]]:
    """Ids of what must be stopped when cut off: one chain per group, or per resource without one; the newest of each first."""
    chains: dict[str, list[ResourceState]] = {}
    for state in states:
        if state.releasable:
            chains.setdefault(state.order.group or f"resource {state.id}", []).append(state)
    newest_first = [
        sorted(chain, key=lambda state: (-state.sequence, state.id)) for _, chain in sorted(chains.items())
    ]
    return [[state.id for state in chain] for chain in newest_first]
