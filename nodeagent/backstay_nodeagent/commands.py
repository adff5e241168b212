"""What the brain wants done. The shell does it in this order, and reports back with events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backstay_nodeagent.operation import Operation, Process
from backstay_nodeagent.orders import Timings, VouchOrders, WatchdogOrders


@dataclass(frozen=True, slots=True)
class WriteJournal:
    """Must be done before the commands after it: entries by key, None removes one."""

    entries: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoreEpoch:
    """On the host's disk, which outlives the boot."""

    cluster: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StartOperation:
    """Run it; OperationSpawned and OperationFinished follow, always."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class EndOperation:
    """Kill the operation's process group; OperationFinished follows with the status Cancelled (or its own, if it was faster)."""

    call_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class EndOrphan:
    """What a predecessor started: wait for its end until its deadline, or not at all if `at_once`, then kill its process group.

    OrphanEnded follows. `process` is None where the predecessor ended before it could write it down."""

    call_id: int
    process: Process | None
    at_once: bool


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Read the plan afresh; OrdersSeen or OrdersGone with `read_at` follows when it worked."""


@dataclass(frozen=True, slots=True)
class SetTimings:
    """Of the keeper."""

    timings: Timings


@dataclass(frozen=True, slots=True)
class SetBeat:
    """The DC's challenge: renewals of the Lease carry it from now on."""

    beat: int


@dataclass(frozen=True, slots=True)
class SetVouching:
    """Whom the keeper shall ask when the API is gone; None: nobody."""

    vouching: VouchOrders | None


@dataclass(frozen=True, slots=True)
class SetWatchdog:
    """Of the keeper; None: disarm, once that is announced."""

    watchdog: WatchdogOrders | None


@dataclass(frozen=True, slots=True)
class SetDismissed:
    """Whether the keeper shall end with the agent, without waiting for another."""

    dismissed: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """A line of the log. `event` is a fixed phrase, fields vary."""

    event: str
    fields: Mapping[str, Any]
    warning: bool = False


ToKeeper = SetTimings | SetBeat | SetVouching | SetWatchdog | SetDismissed
Command = WriteJournal | StoreEpoch | StartOperation | EndOperation | EndOrphan | ReadPlan | ToKeeper | Tell
