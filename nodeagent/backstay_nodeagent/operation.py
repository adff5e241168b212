"""One run of an agent: what is run and why, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from backstay.ocf.exitcode import ExitCode, OpStatus, meets_target
from backstay_nodeagent.orders import Order


class Origin(Enum):
    """Why an operation runs."""

    ORDER = "order"
    RECURRING = "recurring"
    ADOPTION = "adoption"
    """A probe by which a restarted agent learns what its predecessor's operation led to."""
    RELEASE = "release"
    """A stop because the node is cut off."""


@dataclass(frozen=True, slots=True)
class Instant:
    """Now, by two clocks: `at` in seconds of CLOCK_BOOTTIME, for every decision; `wall` in seconds since the epoch, for records."""

    at: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`call_id` rises with each operation of a boot. `ready_at` is when nothing but the queue stood in its way."""

    call_id: int
    order: Order
    origin: Origin
    ready: Instant
    started: Instant

    @property
    def key(self) -> tuple[str, str, int]:
        """Resource, operation, interval."""
        return self.order.resource, self.order.verb.value, self.order.interval_ms

    @property
    def named(self) -> dict[str, Any]:
        """What identifies it in the log."""
        order = self.order
        fields: dict[str, Any] = {"call": self.call_id, "verb": order.verb.value, "resource": order.resource}
        if order.id:
            fields["id"] = order.id
        if order.interval_ms:
            fields["interval_ms"] = order.interval_ms
        if self.origin is not Origin.ORDER:
            fields["because"] = self.origin.value
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended. `output` is bounded (4 KiB). `document` is a meta-data operation's standard output."""

    rc: int
    status: OpStatus
    reason: str = ""
    output: str = ""
    document: str = ""

    def success(self, order: Order) -> bool:
        """Whether it ended as ordered."""
        ended_by_itself = self.status not in (OpStatus.TIMEOUT, OpStatus.CANCELLED, OpStatus.UNKNOWN)
        return ended_by_itself and meets_target(self.rc, order.target_rc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process by its id and its start time in ticks, since ids are used again. `deadline` is when its timeout has passed."""

    pid: int
    start_ticks: int
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMark:
    """In the journal from before an operation runs until its result."""

    call_id: int
    origin: Origin
    order: Order
    started: Instant
    process: Process | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "call_id": self.call_id,
            "origin": self.origin.value,
            "order": self.order.to_json(),
            "started": asdict(self.started),
            "process": asdict(self.process) if self.process else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PendingMark:
        process = data["process"]
        return cls(
            call_id=data["call_id"],
            origin=Origin(data["origin"]),
            order=Order.from_json(data["order"]),
            started=Instant(**data["started"]),
            process=Process(**process) if process else None,
        )


CANCELLED = Outcome(rc=ExitCode.ERROR_GENERIC, status=OpStatus.CANCELLED)
