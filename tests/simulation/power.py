"""What can end a host from outside: fence devices, each of which may fail, hang or lie, and hands that pull a cable."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from backstay_nodeagent.orders import Order

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

SUPPLIES = ("supply-a", "supply-b")
"""Devices that end a host only together."""


class Power:
    """All fence devices. `modes`, by device: works, fails, hangs, denies (does it, says that it failed), lies (the other way round)."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self._world = world
        self._dice = dice
        self.modes: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        """Boots that are known to be over: boot id -> by whom."""
        self.misjudged: dict[str, str] = {}
        """Boots that somebody whose word counts said to be over when they were not: a device that lies, or a person who errs."""
        self._cut: dict[str, set[str]] = {}
        """By host: supplies that are switched off."""

    def boot(self, host: Host) -> None:
        """Press the button: it boots if it has power."""
        if not host.up and not host.unplugged and len(self._cut.get(host.name, ())) < len(SUPPLIES):
            host.boot()

    def restore(self) -> None:
        """All cables in, and all switches on of hosts that are down. On those that are up somebody may be half-way through cutting
        them off, and rests on what is switched off already."""
        for host in self._world.hosts.values():
            host.unplugged = False
            if not host.up:
                self._cut.pop(host.name, None)

    def plan(self, executor: Host, order: Order) -> tuple[float, Callable[[], int]]:
        """How long this command to a device takes, and what it does at its end."""
        world, mode = self._world, self.modes.get(order.resource, "works")
        if order.fence_action == "monitor":
            reached = mode not in ("fails", "hangs") and executor.fence_way_up
            return (0.1, lambda: 0) if reached else (float("inf"), lambda: 1)
        if order.fence_action != "on":
            world.checkers.fences(executor, order)
        took = self._dice.uniform(0.2, 1.5)
        world.story(
            f"{executor.name} asks {order.resource}: {order.fence_action} {order.target} ({order.id}); it {mode}"
        )
        if mode == "hangs" or not executor.fence_way_up:
            return float("inf"), lambda: 1

        def act() -> int:
            if mode == "fails":
                return 1
            target = world.hosts[order.target]
            if mode == "lies":
                if order.fence_action != "on":
                    # Of a host that has lost its power otherwise it happens to be the truth.
                    said = self.misjudged if target.up else self.ended
                    said[target.boot_id] = order.resource
                return 0
            self._switch(executor, order, target)
            return 1 if mode == "denies" else 0

        return took, act

    def _switch(self, executor: Host, order: Order, target: Host) -> None:
        device, action = order.resource, order.fence_action
        cut = self._cut.setdefault(target.name, set())
        if action == "on":
            cut.discard(device)
            self.boot(target)
            return
        if device in SUPPLIES:
            cut.add(device)
            if action == "reboot":
                self._later(1.0, lambda: cut.discard(device))
            if len(cut) < len(SUPPLIES):
                return
        self.ended[target.boot_id] = executor.name
        if target.up:
            target.power_off(f"fenced by {executor.name}")
        if action == "reboot":
            self._later(self._dice.uniform(3.0, 8.0), lambda: self.boot(target))

    def _later(self, seconds: float, what: Callable[[], object]) -> None:
        self._world.loop.call_later(seconds, what, context=self._world.api.context)
