"""A host's watchdog as its kernel keeps it (softdog): counts whatever programs do, and is fed once more when its holder is killed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulation.setting import RESET_MS

if TYPE_CHECKING:
    from simulation.host import Host

THAW_S = 0.05


class KernelWatchdog:
    """Of one boot. Open it, and it must be fed."""

    fd = 3

    def __init__(self, host: Host) -> None:
        self._host = host
        self._boot = host.boot_id
        self._timeout_s = 60
        self._timer: asyncio.TimerHandle | None = None

    def open(self, _path: str) -> KernelWatchdog:
        self.feed()
        return self

    # -- what the product needs of a device

    def set_timeout(self, timeout_s: int) -> int:
        self._timeout_s = timeout_s
        self.feed()
        return timeout_s

    def feed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._count(self._host.clock.true_delay(self._timeout_s))

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- the kernel

    def holder_died(self) -> None:
        """Closed without the magic letter: fed, and counting."""
        if self._timer is not None:
            self.feed()

    def _count(self, seconds: float) -> None:
        world = self._host.world
        self._timer = world.loop.call_later(seconds, self._bite, context=world.api.context)

    def _bite(self) -> None:
        host = self._host
        if not host.up or host.boot_id != self._boot:
            return
        if host.suspended:
            self._count(THAW_S)
            return
        host.world.story(f"the watchdog of {host.name} bites")
        self._timer = host.world.loop.call_later(
            host.dice.uniform(0.0, RESET_MS / 1000 * 0.9), self._reset, context=host.world.api.context
        )

    def _reset(self) -> None:
        host = self._host
        if host.up and host.boot_id == self._boot:
            host.world.power.ended[host.boot_id] = "its watchdog"
            host.power_off("reset by its watchdog")
            again = host.dice.uniform(3.0, 8.0)
            host.world.loop.call_later(again, host.world.power.boot, host, context=host.world.api.context)
