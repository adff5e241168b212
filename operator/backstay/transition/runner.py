"""Carry a transition graph through: what may start now, what to do with how it ended.

The runner starts nothing itself and reads no clock. Its owner asks `ready`, sends what it gets, says
`started` and `finished`, and asks `expire` for actions that never answered. A failed action aborts the
transition: what was sent is waited for, nothing new is sent, and the owner schedules anew from what is then
known.

Chain dispatch: with `Limits.chain`, an action whose every unfinished input was itself sent to the same node
may be sent along, with the ids it has to wait for there. If one of those fails, the node does not run it,
and here it counts as skipped at once. So a whole group goes to its node in one write.

Joining (design note 0014): an action that an earlier transition sent and this one wants is adopted (`adopt`). An
action that conflicts with something else in flight is held until that has ended (`hold`, `release`). What others
have in flight counts towards the limits (`occupy`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from backstay.transition.graph import Action, ActionKind, Graph


class Outcome(Enum):
    """How an action ended, as its executor reports it."""

    DONE = auto()
    FAILED = auto()
    TIMED_OUT = auto()
    CANCELLED = auto()


class Phase(Enum):
    """Where an action stands. WAITING -> SENT -> RUNNING -> DONE | FAILED; SENT or WAITING -> SKIPPED."""

    WAITING = auto()
    SENT = auto()  # handed to its node, perhaps behind others there
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    SKIPPED = auto()


UNFINISHED = (Phase.WAITING, Phase.SENT, Phase.RUNNING)


class Verdict(Enum):
    """How a transition ended."""

    COMPLETE = auto()
    ABORTED = auto()  # something changed, or failed: schedule anew
    STUCK = auto()  # nothing in flight and nothing can start; a fault of the scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`batch` and `per_node` bound the actions in flight (0: no bound). A node that reached its bound gets more when no more than
    `refill` are left, if that is set: many at a time, not one by one. `grace_ms` is added to every action's own timeout, for the
    way there and back."""

    batch: int = 0
    per_node: int = 0
    refill: int | None = None
    grace_ms: int = 60_000
    migrations: int = -1  # migrate_to and migrate_from in flight on a node; negative: no bound
    chain: bool = True
    complete_pseudo: bool = True  # False: hand pseudo actions out like others (the what-if prints them)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send this action. `after` names actions on the same node that must succeed there first."""

    action: Action
    after: tuple[int, ...] = ()


_IN_FLIGHT = (Phase.SENT, Phase.RUNNING)
_MIGRATES = ("migrate_to", "migrate_from")
OVER = (Phase.DONE, Phase.FAILED, Phase.SKIPPED)


class Runner:
    """One transition on its way. All ids are `Action.id`; all times epoch or monotonic seconds, as the
    owner likes."""

    def __init__(self, graph: Graph, limits: Limits | None = None) -> None:
        self.graph = graph
        self.limits = limits or Limits()
        self._phase = [Phase.WAITING] * len(graph)
        self._successors = graph.successors()
        self._unfinished = [len(action.inputs) for action in graph.actions]
        self._deadline: dict[int, float] = {}
        self._after: dict[int, tuple[int, ...]] = {}
        self._chained: dict[int, list[int]] = {}  # what was sent along behind an action
        self._frontier = [action.id for action in graph.actions if not action.inputs]
        self._aborted: str | None = None
        self._abort_priority = 0
        self._in_flight_by_node: dict[str, int] = {}
        self._sated: set[str] = set()
        self._in_flight = 0
        self._held: set[int] = set()
        self._others: Mapping[str, int] = {}
        self._migrating: dict[str, int] = {}
        self._others_migrating: Mapping[str, int] = {}

    # -- questions

    def phase(self, action_id: int) -> Phase:
        return self._phase[action_id]

    @property
    def aborted(self) -> str | None:
        """Why the transition was aborted; None if it was not."""
        return self._aborted

    @property
    def in_flight(self) -> tuple[int, ...]:
        """Ids of actions sent and not yet answered, ascending."""
        return tuple(one for one, phase in enumerate(self._phase) if phase in _IN_FLIGHT)

    @property
    def withdrawable(self) -> tuple[int, ...]:
        """Ids of actions that were sent along in a chain and have not begun: after an abort the owner may
        take them back (and then reports them CANCELLED)."""
        return tuple(
            one
            for one, phase in enumerate(self._phase)
            if phase is Phase.SENT and any(self._phase[other] not in OVER for other in self._after[one])
        )

    @property
    def verdict(self) -> Verdict | None:
        """How it ended; None while it runs."""
        if self._in_flight:
            return None
        if self._aborted is not None:
            return Verdict.ABORTED
        if all(phase is Phase.DONE for phase in self._phase):
            return Verdict.COMPLETE
        if self._held or any(self._may_start(one) for one in self._frontier):
            return None
        return Verdict.STUCK

    @property
    def next_deadline(self) -> float | None:
        """When `expire` will next have something to say."""
        return min(self._deadline.values(), default=None)

    def may_start(self, action_id: int) -> bool:
        """Whether all inputs are done and the action was not yet sent."""
        return self._may_start(action_id) and self._allowed(self.graph.actions[action_id])

    def deadline(self, action_id: int) -> float | None:
        """When the action is late; None while it waits behind others, or has ended."""
        return self._deadline.get(action_id)

    def open_inputs(self, action_id: int) -> tuple[int, ...]:
        """Of an action in flight: those on its node, behind which it was sent, that are not over."""
        return tuple(one for one in self._after.get(action_id, ()) if self._phase[one] not in OVER)

    # -- joining

    def adopt(
        self, action_id: int, *, begun: bool, after: tuple[int, ...] = (), deadline: float | None = None
    ) -> None:
        """The action is in flight already. `deadline`: when its answer is late; None: it waits behind `after`."""
        assert self._phase[action_id] is Phase.WAITING, "it was sent, or is over"
        self._enter(action_id, after)
        if begun:
            self._phase[action_id] = Phase.RUNNING
        if deadline is not None:
            self._deadline[action_id] = deadline

    def give_up(self, action_id: int) -> None:
        """Another transition has adopted it: here it is over, and nothing follows from that."""
        if self._phase[action_id] in _IN_FLIGHT:
            self._leave(action_id)
            self._phase[action_id] = Phase.SKIPPED

    def hold(self, action_id: int) -> None:
        """The action must not be sent before `release`, whatever its inputs say."""
        assert self._phase[action_id] is Phase.WAITING, "it was sent already"
        self._held.add(action_id)

    def release(self, action_id: int) -> None:
        self._held.discard(action_id)

    def occupy(self, others: Mapping[str, int], *, migrating: Mapping[str, int]) -> None:
        """How many actions of other transitions are in flight on each node, and how many of those migrate."""
        self._others, self._others_migrating = others, migrating

    # -- steps

    def ready(self, now: float) -> tuple[Dispatch, ...]:
        """What to send now, in graph order; it counts as sent from here on."""
        if self.limits.complete_pseudo:
            self._complete_pseudo(now)
        batch = [self._send(one, (), now) for one in self._startable()]
        if self.limits.chain and self._aborted is None:
            batch += list(self._chains(now))
        return tuple(batch)

    def send(self, action_id: int, now: float) -> Dispatch:
        """Pick one action that may start, instead of all (`ready`); it counts as sent from here on."""
        assert self.may_start(action_id), "its inputs are not done"
        return self._send(action_id, (), now)

    def started(self, action_id: int, now: float) -> None:
        """The executor began; the timeout counts from here. Late and repeated news are ignored."""
        if self._phase[action_id] is Phase.SENT:
            self._phase[action_id] = Phase.RUNNING
            self._arm(action_id, now)

    def finished(self, action_id: int, outcome: Outcome, now: float) -> None:
        """The executor answered. An answer for what is over already (it timed out before) is ignored."""
        if self._phase[action_id] not in _IN_FLIGHT:
            return
        self._leave(action_id)
        match outcome:
            case Outcome.DONE:
                self._done(action_id, now)
            case Outcome.FAILED | Outcome.TIMED_OUT:
                self._phase[action_id] = Phase.FAILED
                self._skip_behind(action_id)
                self.abort(f"{self.graph.actions[action_id].describe()}: {outcome.name.lower()}")
            case Outcome.CANCELLED:
                self._phase[action_id] = Phase.SKIPPED
                self._skip_behind(action_id)
            case _:
                assert_never(outcome)

    def expire(self, now: float) -> tuple[int, ...]:
        """Ids of actions without an answer in time; each counts as failed."""
        late = tuple(sorted(one for one, deadline in self._deadline.items() if deadline <= now))
        for one in late:
            self.finished(one, Outcome.TIMED_OUT, now)
        return late

    def abort(self, reason: str, *, priority: int = 1_000_000) -> None:
        """Send nothing new, except actions of a higher priority. The first reason stays."""
        if self._aborted is None:
            self._aborted = reason
        self._abort_priority = max(self._abort_priority, priority)

    # -- inside

    def _may_start(self, action_id: int) -> bool:
        waits = self._phase[action_id] is Phase.WAITING and self._unfinished[action_id] == 0
        return waits and action_id not in self._held

    def _allowed(self, action: Action) -> bool:
        return self._aborted is None or action.priority > self._abort_priority

    def _has_room(self, action: Action) -> bool:
        if action.kind is ActionKind.FENCING:
            return True  # other nodes carry it out, and it queues behind no agent
        others = self._others
        if self.limits.batch and self._in_flight + sum(others.values()) >= self.limits.batch:
            return False
        node, bound = action.node or "", self.limits.per_node
        if action.operation in _MIGRATES and self.limits.migrations >= 0:
            migrating = self._migrating.get(node, 0) + self._others_migrating.get(node, 0)
            if migrating >= self.limits.migrations:
                return False
        count = self._in_flight_by_node.get(node, 0) + others.get(node, 0)
        if not bound or (count < bound and node not in self._sated):
            return True
        if self.limits.refill is None:
            return count < bound
        if count > self.limits.refill:
            self._sated.add(node)
            return False
        self._sated.discard(node)
        return True

    def _startable(self) -> Iterator[int]:
        self._frontier.sort()
        for one in tuple(self._frontier):
            action = self.graph.actions[one]
            if self._may_start(one) and self._allowed(action) and self._has_room(action):
                yield one

    def _send(self, action_id: int, after: tuple[int, ...], now: float) -> Dispatch:
        self._enter(action_id, after)
        if not after:
            self._arm(action_id, now)
        return Dispatch(self.graph.actions[action_id], after)

    def _enter(self, action_id: int, after: tuple[int, ...]) -> None:
        action = self.graph.actions[action_id]
        self._phase[action_id] = Phase.SENT
        self._after[action_id] = after
        for one in after:
            self._chained.setdefault(one, []).append(action_id)
        self._in_flight += 1
        if action.node is not None:
            self._in_flight_by_node[action.node] = self._in_flight_by_node.get(action.node, 0) + 1
            if action.operation in _MIGRATES:
                self._migrating[action.node] = self._migrating.get(action.node, 0) + 1
        if action_id in self._frontier:
            self._frontier.remove(action_id)

    def _arm(self, action_id: int, now: float) -> None:
        action = self.graph.actions[action_id]
        allowance_ms = action.timeout_ms + action.start_delay_ms + self.limits.grace_ms
        # A fencing may take several devices, each with its own timeout; who carries it out says when it has failed.
        bounded = action.kind is not ActionKind.FENCING
        self._deadline[action_id] = now + allowance_ms / 1000 if bounded else float("inf")

    def _leave(self, action_id: int) -> None:
        action = self.graph.actions[action_id]
        self._in_flight -= 1
        if action.node is not None:
            self._in_flight_by_node[action.node] -= 1
            if action.operation in _MIGRATES:
                self._migrating[action.node] -= 1
        self._deadline.pop(action_id, None)

    def _done(self, action_id: int, now: float) -> None:
        self._phase[action_id] = Phase.DONE
        for one in self._successors[action_id]:
            self._unfinished[one] -= 1
            if self._unfinished[one] == 0 and self._phase[one] is Phase.WAITING:
                self._frontier.append(one)
            if self._phase[one] is Phase.SENT and one not in self._deadline and self._free(one):
                self._arm(one, now)
        if self.graph.actions[action_id].kind is ActionKind.PSEUDO:
            return
        # A chained action may wait for this one through pseudo actions.
        for one in self._chained_behind(action_id):
            if one not in self._deadline and self._free(one):
                self._arm(one, now)

    def _free(self, action_id: int) -> bool:
        return all(self._phase[other] is Phase.DONE for other in self._after[action_id])

    def _chained_behind(self, action_id: int) -> list[int]:
        return [one for one in self._chained.get(action_id, ()) if self._phase[one] is Phase.SENT]

    def _skip_behind(self, action_id: int) -> None:
        """What was sent behind this one will not be run by its node."""
        for one in self._chained_behind(action_id):
            if self._phase[one] is Phase.SENT:
                self._leave(one)
                self._phase[one] = Phase.SKIPPED
                self._skip_behind(one)

    def _complete_pseudo(self, now: float) -> None:
        progress = self._aborted is None
        while progress:
            progress = False
            for one in tuple(self._frontier):
                if self.graph.actions[one].kind is ActionKind.PSEUDO and self._may_start(one):
                    self._frontier.remove(one)
                    self._done(one, now)
                    progress = True

    def _chains(self, now: float) -> Iterator[Dispatch]:
        """Further actions that can follow, on their own node, what was sent."""
        queue = [one for one, phase in enumerate(self._phase) if phase in _IN_FLIGHT]
        seen = set(queue)
        while queue:
            one = queue.pop(0)
            for candidate in sorted(self._real_successors(one)):
                if candidate in seen:
                    continue
                after = self._chain_of(candidate)
                if candidate in self._held:
                    continue
                if after and self._has_room(self.graph.actions[candidate]):
                    seen.add(candidate)
                    queue.append(candidate)
                    yield self._send(candidate, after, now)

    def _real_successors(self, action_id: int) -> Iterator[int]:
        for one in self._successors[action_id]:
            if self.graph.actions[one].kind is ActionKind.PSEUDO:
                yield from self._real_successors(one)
            elif self._phase[one] is Phase.WAITING:
                yield one

    def _chain_of(self, action_id: int) -> tuple[int, ...]:
        """The unfinished real inputs if all were sent to this action's node; else nothing."""
        action = self.graph.actions[action_id]
        if action.kind is not ActionKind.RESOURCE:
            return ()
        found: set[int] = set()
        open_inputs = list(action.inputs)
        visited: set[int] = set()
        while open_inputs:
            one = open_inputs.pop()
            phase = self._phase[one]
            if phase is Phase.DONE or one in visited:
                continue
            visited.add(one)
            other = self.graph.actions[one]
            if other.kind is ActionKind.PSEUDO:
                if phase is not Phase.WAITING:
                    return ()
                open_inputs += other.inputs
            elif phase in _IN_FLIGHT and other.node == action.node and other.kind is ActionKind.RESOURCE:
                found.add(one)
            else:
                return ()
        return tuple(sorted(found))
