"""One host of the model cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from backstay.api import HANodePlan
from backstay.api.plan import FailureRecord, HANodePlanStatus, PlanAction
from backstay.api.quantities import timestamp
from backstay.liveness.machine import NO_IDENTITY, MachineIdentity


class DoubleActive(AssertionError):
    """Two live copies."""


@dataclass
class ModelNode:
    """One host: its kernel's boot, its agent's memory."""

    name: str
    boot: int = 1
    up: bool = True
    linked: bool = True
    active: dict[str, str] = field(default_factory=dict)
    """Resource -> requires, of what runs."""
    plan: HANodePlan | None = None
    done: set[str] = field(default_factory=set)
    calls: int = 0
    renewals: int = 0
    released: bool = False
    synced: int = 0
    promised: bool = False
    """It has promised not to count: its renewals are marked."""
    unsent: list[str] = field(default_factory=list)
    """What it stopped while it was cut off; its status will say so when it is back."""
    obeys: bool = True
    """False: its keeper renews, and its agent does not read."""
    vouched: bool = False
    """Peers have promised: cut off, it goes on."""
    disk_full: bool = False
    """Its agent records nothing, and so refuses to start."""
    machine: MachineIdentity = NO_IDENTITY
    """As its Lease says."""
    running: dict[str, tuple[PlanAction, float]] = field(default_factory=dict)
    """Operations that take their time, by id, and when each ends."""
    kept: HANodePlanStatus | None = None
    """What the agent knows of itself while its plan is deleted."""

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot{self.boot}"

    def forget(self, action: PlanAction) -> None:
        assert self.plan is not None
        status = self.plan.status
        if action.verb in ("cleanup", "forget"):
            status.failures = [one for one in status.failures if one.resource != action.resource]
        if action.verb == "forget":
            status.history = [one for one in status.history if one.resource != action.resource]
        if action.verb == "cancel":
            status.history = [
                one
                for one in status.history
                if (one.resource, one.operation, one.interval_ms)
                != (action.resource, "monitor", action.interval_ms)
            ]

    def count_failure(self, action: PlanAction, rc: int, *, wall: float) -> None:
        assert self.plan is not None
        failures = {(one.resource, one.operation, one.interval_ms): one for one in self.plan.status.failures}
        key = (action.resource, action.verb, action.interval_ms)
        count = failures[key].count + 1 if key in failures else 1
        failures[key] = FailureRecord(
            resource=action.resource,
            operation=action.verb,
            interval_ms=action.interval_ms,
            count=count,
            rc=rc,
            last_failure=timestamp(wall),
        )
        self.plan.status.failures = list(failures.values())
