"""Operations in flight: their numbers, their marks in the journal, and how many may run.

The queue behind the slots is not stored anywhere: it is the plan's ready orders (at most 1024) and the recurring monitors that are
due (one per resource and interval), looked at again whenever something ends. So it is bounded, and nothing stays in it that was
taken back.

Slots keep a host from running hundreds of agents at once; they must not let one slow agent hold up another. So an operation that
has run for LONG_S gives its slot back (it waits for something, it does not compute); what stops a resource, what starts it, and
what only looks at it have slots of their own; and a fence agent needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from backstay_nodeagent.operation import Instant, Operation, Origin, PendingMark, Process
from backstay_nodeagent.orders import Order, Verb
from backstay_nodeagent.resources import ResourceBook, ResourceState

LONG_S = 5.0
RUNNING_MAX = 16
"""Operations in all, as a multiple of the slots: each is a process of the host."""
_LOOKS = (Verb.MONITOR, Verb.NOTIFY, Verb.META_DATA)


class Dispatch:
    """Knows each operation from before it begins until it has ended."""

    def __init__(self, *, slots: int, journal: dict[str, Any]) -> None:
        assert slots >= 1
        self._slots = slots
        self._journal = journal
        self._running: dict[int, Operation] = {}
        self._marks: dict[int, PendingMark] = {}
        self._ending: dict[int, None] = {}
        self._calls = 0
        self._now = 0.0
        self._refused = False

    def look(self, now: float) -> None:
        """A step begins."""
        self._now, self._refused = now, False

    def is_full(self) -> bool:
        """Whether no order that takes a slot may begin, whatever it asks for."""
        full = all(self._room(kind) <= 0 for kind in (Verb.STOP, Verb.START, Verb.MONITOR))
        self._refused = self._refused or full
        return full

    def may_begin(self, order: Order) -> bool:
        """Whether there is a slot for the order."""
        may = order.verb is Verb.FENCE or self._room(_kind(order.verb)) > 0
        self._refused = self._refused or not may
        return may

    @property
    def _frees_at(self) -> float:
        return min((one.started.at + LONG_S for one in self._counted), default=float("inf"))

    def _room(self, kind: Verb) -> int:
        """Slots left for what stops, starts, or looks."""
        if len(self._running) >= RUNNING_MAX * self._slots:
            return 0
        return self._slots - sum(_kind(one.order.verb) is kind for one in self._counted)

    @property
    def _counted(self) -> list[Operation]:
        """Those that hold a slot. A release waits for nobody; probes of adoption are as few as slots were."""
        return [
            one
            for one in self._running.values()
            if one.origin in (Origin.ORDER, Origin.RECURRING)
            and one.order.verb is not Verb.FENCE
            and self._now - one.started.at < LONG_S
        ]

    @property
    def running(self) -> list[Operation]:
        """By call id."""
        return [self._running[call_id] for call_id in sorted(self._running)]

    def runs(self, origin: Origin) -> bool:
        return any(operation.origin is origin for operation in self._running.values())

    def next_call_id(self) -> int:
        self._calls += 1
        self._journal["calls"] = self._calls
        return self._calls

    def begin(self, order: Order, *, origin: Origin, ready: Instant, instant: Instant) -> Operation:
        """Number the operation and mark it as pending."""
        operation = Operation(
            call_id=self.next_call_id(), order=order, origin=origin, ready=ready, started=instant
        )
        mark = PendingMark(call_id=operation.call_id, origin=origin, order=order, started=instant)
        self._put(operation, mark)
        return operation

    def adopt(self, mark: PendingMark, instant: Instant) -> Operation:
        """Take up what an earlier agent of this boot had begun."""
        operation = Operation(
            call_id=mark.call_id, order=mark.order, origin=mark.origin, ready=instant, started=mark.started
        )
        self._put(operation, mark)
        return operation

    def spawned(self, call_id: int, process: Process) -> None:
        mark = self._marks.get(call_id)
        if mark is not None:
            self._marks[call_id] = replace(mark, process=process)
            self._journal[f"pending/{call_id}"] = self._marks[call_id].to_json()

    def end(self, call_id: int) -> bool:
        """Note that it is being ended; False if it was already, or does not run."""
        if call_id not in self._running or call_id in self._ending:
            return False
        self._ending[call_id] = None
        return True

    def finish(self, call_id: int) -> Operation | None:
        """Forget it; None if it was not known."""
        operation = self._running.pop(call_id, None)
        if operation is not None:
            del self._marks[call_id]
            self._ending.pop(call_id, None)
            self._journal[f"pending/{call_id}"] = None
        return operation

    def due(
        self, resources: ResourceBook, now: float, *, but: Callable[[ResourceState], bool]
    ) -> list[Order]:
        """Recurring monitors to run now, the most overdue first, as many as there are slots for; none of those resources."""
        due = [
            (recurring.due_at, state.id, recurring)
            for state in resources.watched
            if state.running is None and not but(state)
            for recurring in state.recurring.values()
            if recurring.due_at <= now
        ]
        due.sort(key=lambda entry: (entry[0], entry[1], entry[2].order.interval_ms))
        taken: dict[str, Order] = {}
        room = self._room(Verb.MONITOR)
        for _, resource, recurring in due:
            if len(taken) < room and resource not in taken:
                recurring.due_at = float("inf")
                taken[resource] = recurring.order
        return list(taken.values())

    def due_at(self, resources: ResourceBook, *, but: Callable[[ResourceState], bool]) -> float:
        """When the next recurring monitor of an idle resource is due; where a slot is wanted, when one is given back."""
        if self._room(Verb.MONITOR) <= 0:
            return self._frees_at
        times = (
            recurring.due_at
            for state in resources.watched
            if state.running is None and not but(state)
            for recurring in state.recurring.values()
        )
        return min(*times, self._frees_at if self._refused else float("inf"), float("inf"))

    def load(self, journal: Mapping[str, Any]) -> None:
        self._calls = max(self._calls, int(journal.get("calls", 0)))

    def _put(self, operation: Operation, mark: PendingMark) -> None:
        self._running[operation.call_id] = operation
        self._marks[operation.call_id] = mark
        self._journal[f"pending/{operation.call_id}"] = mark.to_json()


def _kind(verb: Verb) -> Verb:
    """The verb whose slots it takes: stop, start or monitor."""
    if verb.takes_down:
        return Verb.STOP
    return Verb.MONITOR if verb in _LOOKS else Verb.START
