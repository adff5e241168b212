"""Faults of people's words: who confirms that a host is off, rightly or by mistake, and who takes the watchdog away for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.hand import Done, Hand, Undo

if TYPE_CHECKING:
    from simulation.host import Host

ASKED_AFTER_S = 5.0
"""A node must be missed for a lease before one is believed."""


class Words(Hand):
    """Part of the Adversary."""

    def do_confirm(self) -> Done:
        """A host loses power; somebody pulls its cable, says that it is off, and plugs it in again only when there was an answer or
        they have taken back what they said."""
        host = self._live()
        if host is None or not self.world.api.weather.answers:
            return None
        host.unplugged = True
        host.power_off("its cable is pulled")
        self.world.power.ended[host.boot_id] = "somebody who pulled its cable"

        def confirm() -> None:
            if self.world.api.weather.answers:
                self.administrator.confirm(host.name)

        step = self._then(ASKED_AFTER_S, confirm)

        def again() -> None:
            step()
            self.administrator.take_back(host.name)
            host.unplugged = False
            self.world.power.boot(host)

        return f"{host.name} is unplugged, and confirmed to be off", self.dice.uniform(6.0, 20.0), again

    def do_mistaken_confirm(self) -> Done:
        """Somebody says of a host that is well that it is off, and takes that back soon."""
        host = self._live()
        if host is None or not self._is_well(host):
            return None
        boot = host.boot_id
        id_ = self.administrator.confirm(host.name)

        def again() -> None:
            if self.administrator.state_of(host.name, id_) == "Done":
                self.world.power.misjudged[boot] = "administrator"
                if host.boot_id == boot and self._is_well(host):
                    self.world.checkers.violation("who is heard is not taken for dead", host.name)
            self.administrator.take_back(host.name)

        return f"{host.name} is confirmed to be off by mistake", 2.5, again

    def _is_well(self, host: Host) -> bool:
        quiet = self.world.api.weather.answers and self.world.loop.time() > host.trouble_until + 4.0
        return quiet and host.up and not host.frozen and self.world.api.link(host.name).up

    def do_disarm(self) -> Done:
        """spec.watchdog is taken away, a host is cut off in that very moment, and the watchdog is given back."""
        dog, host = self.world.setting.dog, self._runner_of("db") or self._live()
        if dog is None or host is None or not self.world.api.weather.answers:
            return None
        self.administrator.set_watchdog(None)
        host.trouble(30.0)
        undo: list[Undo] = []
        cut = self._then(self.dice.uniform(0.02, 0.9), lambda: undo.append(self._alone(host)))
        back = self._then(self.dice.uniform(1.0, 3.0), lambda: self.administrator.set_watchdog(dog.spec))

        def again() -> None:
            for one in (cut, back, *undo):
                one()
            self.administrator.set_watchdog(dog.spec)

        return f"the watchdog is taken away, and {host.name} cut off", self.dice.uniform(8.0, 16.0), again
