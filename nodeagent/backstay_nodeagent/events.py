"""What the brain is told. Each event is a fact; the time of being told comes with the step, not with the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backstay_nodeagent.operation import Outcome, Process
from backstay_nodeagent.orders import Orders


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal of the Lease that the API server acknowledged: sent at `sent_at` (CLOCK_BOOTTIME), for `lease_duration_s`."""

    sent_at: float
    lease_duration_s: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """The first event: the journal of this boot by key, the highest epochs on disk by cluster, what is known of the Lease."""

    journal: Mapping[str, Any] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    last_renewal: Renewal | None = None
    kept_until: float | None = None
    """Of `Vouched`, as the keeper has written it down."""


@dataclass(frozen=True, slots=True)
class OrdersSeen:
    """The plan as read. `read_at` is when a read that is known to be fresh was sent; None for an event of a watch."""

    orders: Orders
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class OrdersGone:
    """There is no plan for this node."""

    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class OperationSpawned:
    """The process of an operation exists (the last one, where an operation takes several)."""

    call_id: int
    process: Process


@dataclass(frozen=True, slots=True)
class OperationFinished:
    """Nothing of the operation runs any more, but for what its agent started to stay."""

    call_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class OrphanEnded:
    """What a predecessor's operation had left running is gone."""

    call_id: int


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    renewal: Renewal


@dataclass(frozen=True, slots=True)
class Vouched:
    """Peers have promised: what others may take over may go on until then (CLOCK_BOOTTIME); None: not, or no longer."""

    until: float | None


@dataclass(frozen=True, slots=True)
class KeeperReleasing:
    """The keeper has begun to stop resources because this agent was absent; a `KeeperReleased` will follow, or the keeper is lost."""


@dataclass(frozen=True, slots=True)
class KeeperStop:
    """One stop that the keeper ran. `at` is wall-clock time."""

    resource: str
    verb: str
    rc: int
    timed_out: bool
    started_wall: float
    exec_ms: int


@dataclass(frozen=True, slots=True)
class KeeperReleased:
    stops: tuple[KeeperStop, ...]


@dataclass(frozen=True, slots=True)
class KeeperLost:
    """No keeper is connected; what it was doing is not known any more."""


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """The host's disk takes no records, by its `reason`; these calls were not begun for that."""

    reason: str
    withheld: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingWorks:
    """The host's disk has all records, and room for more."""


@dataclass(frozen=True, slots=True)
class StatusWritten:
    """The API server has acknowledged a status with this observedGeneration and `released`."""

    observed_generation: int
    released: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but time has passed."""


Event = (
    Recovered
    | OrdersSeen
    | OrdersGone
    | OperationSpawned
    | OperationFinished
    | OrphanEnded
    | LeaseRenewed
    | Vouched
    | KeeperReleasing
    | KeeperReleased
    | KeeperLost
    | RecordingFailed
    | RecordingWorks
    | StatusWritten
    | Tick
)

FROM_KEEPER = (LeaseRenewed, Vouched, KeeperReleasing, KeeperReleased, KeeperLost)
"""What shows that the keeper was heard, or that there is none."""
