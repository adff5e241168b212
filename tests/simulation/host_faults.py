"""Faults of hosts, of the programs on them, of their clocks and resource agents."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulation.hand import Done, Hand, nothing
from simulation.truth import Habit

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.virtual_time import Process


class HostFaults(Hand):
    """Power, kernels, processes, agents."""

    def do_crash(self) -> Done:
        host = self._live()
        if host is None:
            return None
        host.power_off("power cut")
        return f"power cut of {host.name}", self._seconds(0.5, 25.0), partial(self.world.power.boot, host)

    def do_freeze(self) -> Done:
        host = self._live()
        if host is None:
            return None
        boot = host.boot_id
        # A machine that is paused as a whole is not covered by a watchdog; what starves on a kernel that goes on is.
        suspended = self.world.setting.dog is None or self.dice.random() < 0.2
        host.freeze(suspended=suspended)
        host.trouble(14.0)

        def thaw() -> None:
            if host.boot_id == boot:
                host.thaw()

        how = "suspension" if suspended else "freeze"
        return f"{how} of {host.name}", self._seconds(0.3, 12.0), thaw

    def _pause(self, host: Host | None, process: Process | None, what: str, *, excuse: bool) -> Done:
        if host is None or process is None or not process.alive or process.paused:
            return None
        seconds = self._seconds(0.2, 9.0)
        host.trouble(seconds)
        if excuse:
            host.excuse(seconds + 3.0)
        loop = self.world.loop
        loop.pause(process)

        def resume() -> None:
            if process.alive and not host.frozen:
                loop.resume(process)

        return f"pause of {what} on {host.name}", seconds, resume

    def do_pause_agent(self) -> Done:
        host = self._live()
        return self._pause(host, host.agent.process if host and host.agent else None, "agent", excuse=True)

    def do_pause_keeper(self) -> Done:
        host = self._live()
        return self._pause(host, host.keeper.process if host and host.keeper else None, "keeper", excuse=True)

    def do_pause_operator(self) -> Done:
        host = self._live()
        return self._pause(host, host.operator if host else None, "operator", excuse=False)

    def do_kill(self) -> Done:
        host = self._live()
        if host is None:
            return None
        self.dice.choice(
            [host.kill_agent, host.kill_agent, host.kill_keeper, host.kill_operator, host.kill_operator]
        )()
        return f"kill on {host.name}", 0.1, nothing

    def do_clock_jump(self) -> Done:
        host = self._host()
        shift = self.dice.choice([-86400.0, -3600.0, -5.0, 5.0, 3600.0, 86400.0])
        host.clock.wall_shift += shift
        return f"wall clock of {host.name} jumps by {shift:.0f} s", 0.1, nothing

    def do_bad_agent(self) -> Done:
        host, resource = self._host(), self.dice.choice(self._resources())
        seconds = self._seconds(2.0, 25.0)
        verbs = frozenset(self.dice.sample(["start", "stop", "monitor"], self.dice.choice([1, 1, 2])))
        match self.dice.choice(["fails", "hangs", "slow", "lies"]):
            case "fails":
                habit = Habit(fails=verbs)
            case "hangs":
                habit = Habit(hangs=verbs)
            case "slow":
                habit = Habit(slow_s=self.dice.choice([1.0, 4.0, 9.0]))
            case _:
                habit = Habit(lies=True)
        if "stop" in habit.fails | habit.hangs and resource == "vip":
            host.excuse(seconds + 15.0)
        host.behaviour.habits[resource] = habit
        host.trouble(seconds + 20.0)

        def again() -> None:
            host.behaviour.habits.pop(resource, None)

        return f"agent of {resource} on {host.name}: {habit}", seconds, again

    def do_service_dies(self) -> Done:
        places = [(host, one) for host in self.world.hosts.values() for one in sorted(host.active)]
        if not places:
            return None
        host, resource = self.dice.choice(places)
        del host.active[resource]
        return f"{resource} on {host.name} dies by itself", 0.1, nothing
