"""Boots that may still run something although another boot renews their node's Lease (design note 0015).

The plan says which boot the DC gave orders to, and of which machine that was. When another boot renews the Lease, the former one has
ended if both were of the same machine, if it was fenced or confirmed since, or if it ran nothing. Else a second machine may have
appeared under the name of one that is cut off. The former boot then counts until it is fenced or confirmed; where nothing that
it may run requires fencing, until its lease has run out. One `FormerBoots` per DC term.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.api import HANodePlan
from backstay.liveness.leases import LeaseTracker, NodeLease
from backstay.liveness.machine import NO_IDENTITY, MachineIdentity, SameMachine
from backstay.liveness.takeover import FormerLease
from backstay.liveness.watchdog import WatchdogClaim


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerBoot:
    """A boot that is not proven to have ended."""

    lease: FormerLease
    same: SameMachine
    """Whether the boot that renews the Lease now is of the same machine: NO, or UNKNOWN."""
    words: str
    watchdog: WatchdogClaim | None = None
    """Of its last renewal, where this DC has seen it."""

    @property
    def boot_id(self) -> str:
        return self.lease.boot_id

    def lease_over(self, now: float) -> bool:
        """Whether its lease has run out. Peers' promises are another matter (design note 0003)."""
        return now >= self.lease.since + self.lease.duration_s


class FormerBoots:
    """Call `look` at every step, and `ended` for what is proven otherwise."""

    def __init__(self, tracker: LeaseTracker) -> None:
        self._tracker = tracker
        self._since: dict[tuple[str, str], float] = {}
        """By node and former boot: when this DC first saw the Lease renewed by another one."""
        self._ended: set[tuple[str, str]] = set()

    def ended(self, node: str, boot_id: str) -> None:
        """That boot is proven to have ended."""
        self._ended.add((node, boot_id))

    def look(self, plans: Mapping[str, HANodePlan], now: float) -> dict[str, FormerBoot]:
        """By node, the boots that may still run something."""
        found = {}
        for name, plan in plans.items():
            lease = self._tracker.lease(name)
            if lease is not None and (former := self._former_of(plan, lease, now)) is not None:
                found[name] = former
        return found

    def _former_of(self, plan: HANodePlan, lease: NodeLease, now: float) -> FormerBoot | None:
        boot, name = plan.spec.boot_id, lease.node
        if lease.boot_id == boot:
            self._since.pop((name, boot), None)
        if not boot or not lease.boot_id or lease.boot_id == boot or (name, boot) in self._ended:
            return None
        before = machine_of(plan)
        same = before.compared_with(lease.machine)
        if same is SameMachine.YES:
            return None
        known = self._tracker.former_lease(name, boot)
        duration_s = max(plan.spec.heartbeat.lease_s, known.duration_s if known is not None else 0.0)
        since = self._since.setdefault((name, boot), now)
        return FormerBoot(
            lease=FormerLease(node=name, boot_id=boot, since=since, duration_s=duration_s),
            same=same,
            words=_words(name, before, lease.machine, same),
            watchdog=known.watchdog if known is not None else None,
        )


def machine_of(plan: HANodePlan | None) -> MachineIdentity:
    """The machine of the boot that the plan is meant for."""
    if plan is None or plan.spec.machine is None:
        return NO_IDENTITY
    return MachineIdentity(plan.spec.machine.machine_id, plan.spec.machine.system_uuid)


def _words(name: str, before: MachineIdentity, present: MachineIdentity, same: SameMachine) -> str:
    if same is SameMachine.NO:
        what = "machine-id" if before.machine_id != present.machine_id else "system UUID"
        return (
            f"another machine has registered as {name} (its {what} is another), and the one before it may still run resources. "
            f"The DC does not fence by name what may be the newcomer: switch the former machine off, then `kubectl ha fence confirm "
            f"{name}`; or, if the fence device reaches the former machine, `kubectl ha fence {name}`"
        )
    missing, whose = (present.missing, "reports") if present.missing else (before.missing, "reported before")
    return (
        f"{name} has booted, and nothing proves that it is the same machine: it {whose} no {missing}, so its former boot may still run "
        f"resources. It is fenced once, or `kubectl ha fence confirm {name}` if you know that it has rebooted; "
        "give the host an identity file (docs/machine-identity.md) to avoid this"
    )
