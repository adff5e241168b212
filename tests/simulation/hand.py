"""What every kind of fault is made with: whom it strikes, for how long, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from simulation.administrator import Administrator
    from simulation.api_server import Link
    from simulation.host import Host
    from simulation.world import World

Undo = Callable[[], None]
Done = tuple[str, float, Undo] | None
"""What was done, for how long, and how to undo it; None: nothing could be done now."""
Fault = Callable[[], Done]


class Hand:
    """A fault is a method `do_NAME`. Parts of the Adversary derive from this."""

    world: World
    administrator: Administrator
    dice: random.Random

    def _host(self) -> Host:
        return self.world.hosts[self.dice.choice(sorted(self.world.hosts))]

    def _live(self) -> Host | None:
        live = [host for host in self.world.hosts.values() if host.up and not host.frozen]
        return self.dice.choice(live) if live else None

    def _link(self) -> Link:
        return self.world.api.link(self._host().name)

    def _seconds(self, low: float, high: float) -> float:
        return (
            self.dice.uniform(low, high)
            if self.dice.random() < 0.7
            else self.dice.uniform(low, low + (high - low) / 5)
        )

    def _trouble_all(self, seconds: float) -> None:
        """What makes the DC see or hear badly, or keepers' renewals fail, may get anybody fenced."""
        for host in self.world.hosts.values():
            host.trouble(seconds)

    def _resources(self) -> list[str]:
        return sorted(
            {one for host in self.world.hosts.values() for one in host.active}
            | {"vip", "db", "fs", "ip", "www"}
        )

    def _then(self, seconds: float, step: Callable[[], object]) -> Undo:
        """Later, unless it is called off."""
        timer = self.world.loop.call_later(seconds, step, context=self.world.api.context)
        return timer.cancel

    def _alone(self, host: Host) -> Undo:
        """Neither the API nor a peer hears it, nor is heard by it."""
        link = self.world.api.link(host.name)
        link.up = link.back_up = False
        others = [one for one in self.world.hosts.values() if one is not host]
        for other in others:
            host.peers_up[other.name] = other.peers_up[host.name] = False

        def again() -> None:
            link.up = link.back_up = True
            for other in others:
                host.peers_up[other.name] = other.peers_up[host.name] = True
            self.world.api.resume_watches(link)

        return again

    def _runner_of(self, resource: str) -> Host | None:
        return next((host for host in self.world.hosts.values() if host.up and resource in host.active), None)


def kinds_of(part: type) -> list[str]:
    """Names of the faults that a part of the Adversary knows."""
    return sorted(name.removeprefix("do_") for name in dir(part) if name.startswith("do_"))


def nothing() -> None:
    """Undoes what is over at once."""
