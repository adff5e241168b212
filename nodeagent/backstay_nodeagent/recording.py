"""What may begin while the host's disk takes no records.

An operation is in the journal before it runs, and what the keeper would stop in the agent's stead is in its file; else another agent,
or the keeper, would not know what may run here. So what cannot be recorded is not begun, and the DC is told that it was not run. What
takes a resource down, watches it, or fences another node goes on: to repeat it does no harm, to leave it out does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backstay_nodeagent.commands import Command, StartOperation, WriteJournal
from backstay_nodeagent.ledger import Result, ResultState
from backstay_nodeagent.operation import Instant, Operation, Origin
from backstay_nodeagent.orders import Order, Verb
from backstay_nodeagent.outcomes import MESSAGE_MAX
from backstay_nodeagent.resources import ResourceBook, ResourceState

REFUSAL_PAUSE_S = 2.0
"""So long an order waits for the disk that the DC would give again at once: it knows of nothing else to do."""
_NEEDS_RECORD = (Verb.START, Verb.PROMOTE, Verb.MIGRATE_TO, Verb.MIGRATE_FROM, Verb.RELOAD)
_AT_ONCE = (Verb.START, Verb.MIGRATE_FROM)
"""Refused without a pause: the DC finds another node."""


def needs_record(order: Order) -> bool:
    """Whether it must not begin without its record."""
    return order.verb in _NEEDS_RECORD


def split(commands: Sequence[Command]) -> tuple[list[Command], tuple[int, ...]]:
    """Of a step whose record could not be written: what is carried out all the same, and the calls that are not begun."""
    kept: list[Command] = []
    withheld: list[int] = []
    for command in commands:
        if isinstance(command, WriteJournal):
            continue
        if isinstance(command, StartOperation) and needs_record(command.operation.order):
            withheld.append(command.operation.call_id)
        else:
            kept.append(command)
    return kept, tuple(withheld)


@dataclass
class Recording:
    """`trouble` says why nothing can be recorded; empty: it can."""

    trouble: str = ""
    refuse_at: float = float("inf")
    """When the next order that waits for the disk is refused."""
    _before: dict[int, ResourceState] = field(default_factory=dict)

    def holds(self, order: Order) -> bool:
        """Whether it may not begin."""
        return bool(self.trouble) and needs_record(order)

    def refusal(self, order: Order, since: Instant | None, now: Instant) -> Result | None:
        """Of an order that may not begin, and was ready `since`; None while it waits."""
        since_at = now.at if since is None else since.at
        if order.verb in _AT_ONCE or now.at - since_at >= REFUSAL_PAUSE_S:
            return self._not_run(order)
        self.refuse_at = min(self.refuse_at, since_at + REFUSAL_PAUSE_S)
        return None

    def begins(self, operation: Operation, resources: ResourceBook) -> None:
        """Before the books say that it runs: remember what they said, for it may turn out that it does not."""
        if operation.origin is Origin.ORDER and needs_record(operation.order):
            self._before[operation.call_id] = resources.copy_of(operation.order)

    def began(self, call_id: int) -> None:
        """It exists, or has ended."""
        self._before.pop(call_id, None)

    def undo(self, operation: Operation, resources: ResourceBook) -> Result:
        """It was not begun: the books say what they said before."""
        resources.of(operation.order).running = None
        before = self._before.pop(operation.call_id, None)
        if before is not None:
            resources.restore(before)
        return self._not_run(operation.order)

    def _not_run(self, order: Order) -> Result:
        message = f"not run: it can't be recorded on this host's disk: {self.trouble}"
        return Result(id=order.id, state=ResultState.REFUSED, message=message[:MESSAGE_MAX])
