"""Checks every fence device by its own `monitor`, from one node after the other, so that a fencing is no surprise.

A device that can't be reached from a node is not asked from there first when it is needed. Level-triggered and bounded: one question
per device at a time, none while a transition is under way, and none from a node that does not have the fence agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backstay.api import HANodePlan, PlanAction
from backstay.coordinator.membership import Membership
from backstay.coordinator.orders import PlanBook, check_order
from backstay.coordinator.results import result_of
from backstay.fencing import DeviceSettings
from backstay.verify.agents import AGENTS_LISTED_MAX

GRACE_S = 5.0
FIRST_AFTER_S = 2.0
"""A new DC, or a new device, has more urgent things to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One answer. `message` empty: the device is fine."""

    node: str
    wall: float
    message: str


@dataclass(slots=True)
class _Question:
    device: str
    node: str
    boot_id: str
    order: PlanAction
    deadline: float


class DeviceWatch:
    """One per DC term."""

    def __init__(self, *, epoch: int) -> None:
        self._epoch = epoch
        self._serial = 0
        self._due_at: dict[str, float] = {}
        self._open: dict[str, _Question] = {}
        self._turn: dict[str, int] = {}
        self._checks: dict[str, dict[str, Check]] = {}

    def checks(self, device: str) -> tuple[Check, ...]:
        """The last check from every node, by node."""
        return tuple(one for _, one in sorted(self._checks.get(device, {}).items()))

    def executors(
        self, device: DeviceSettings, membership: Membership, plans: Mapping[str, HANodePlan]
    ) -> Sequence[str]:
        """Nodes that could run it: online, with the fence agent; those that could not reach it lately come last."""
        checks = self._checks.get(device.name, {})
        able = [node for node in membership.online if _has_agent(plans.get(node), device.agent)]
        return sorted(able, key=lambda node: (node in checks and bool(checks[node].message), node))

    def step(
        self,
        devices: Sequence[DeviceSettings],
        *,
        membership: Membership,
        plans: Mapping[str, HANodePlan],
        book: PlanBook,
        idle: bool,
        now: float,
        wall: float,
    ) -> list[tuple[str, Check]]:
        """Take answers in, ask what is due. Returns checks whose outcome differs from the last one from that node."""
        changes = [
            one
            for name in list(self._open)
            if (one := self._follow(name, membership, plans, book, now, wall))
        ]
        known = {device.name for device in devices}
        for name in [one for one in self._checks if one not in known]:
            del self._checks[name]
        for device in devices:
            due_at = self._due_at.setdefault(device.name, now + FIRST_AFTER_S)
            if device.monitor_interval_ms <= 0 or now < due_at or not idle or device.name in self._open:
                continue
            self._due_at[device.name] = now + device.monitor_interval_ms / 1000
            self._ask(device, membership, plans, book, now)
        return changes

    def _ask(
        self,
        device: DeviceSettings,
        membership: Membership,
        plans: Mapping[str, HANodePlan],
        book: PlanBook,
        now: float,
    ) -> None:
        nodes = sorted(self.executors(device, membership, plans))
        if not nodes:
            return
        turn = self._turn.get(device.name, 0)
        self._turn[device.name] = turn + 1
        node = nodes[turn % len(nodes)]
        self._serial += 1
        order = check_order(f"{self._epoch}-d{self._serial}", device)
        deadline = now + order.timeout_ms / 1000 + GRACE_S
        self._open[device.name] = _Question(
            device.name, node, membership.nodes[node].boot_id, order, deadline
        )
        book.add(node, [order])

    def _follow(
        self,
        name: str,
        membership: Membership,
        plans: Mapping[str, HANodePlan],
        book: PlanBook,
        now: float,
        wall: float,
    ) -> tuple[str, Check] | None:
        question = self._open[name]
        view = membership.nodes.get(question.node)
        result = result_of(plans.get(question.node), question.order.id, question.boot_id)
        if result is None and view is not None and view.usable and now <= question.deadline:
            return None
        del self._open[name]
        if result is None or result.state not in ("Done", "Failed"):
            # It says nothing about the device: the node is gone, or was told otherwise.
            book.take_back(question.node, [question.order.id])
            return None
        message = "" if result.state == "Done" else result.message or "it failed"
        before = self._checks.setdefault(name, {}).get(question.node)
        check = Check(question.node, wall, message)
        self._checks[name][question.node] = check
        changed = bool(message) if before is None else bool(before.message) != bool(message)
        return (name, check) if changed else None


def _has_agent(plan: HANodePlan | None, agent: str) -> bool:
    """Where it is not known, it is worth a try."""
    capabilities = plan.status.capabilities if plan is not None else None
    if capabilities is None or len(capabilities.agents) >= AGENTS_LISTED_MAX:
        return True
    # A node that lists no fence agents at all may be older than that list.
    fences = [one for one in capabilities.agents if one.startswith("stonith:")]
    return agent in fences or not fences
