"""Everything that goes wrong, from a seed: faults begin at random, overlap, and end. Then all is healed, and the cluster must recover.

A seed has a temperament: which kinds of faults it knows, and how fast they come; so some seeds try one kind alone, others all at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from simulation.ambushes import Ambushes
from simulation.truth import Habit
from simulation.words import Words

if TYPE_CHECKING:
    from simulation.administrator import Administrator
    from simulation.api_server import Link
    from simulation.host import Host
    from simulation.virtual_time import Process
    from simulation.world import World

RHO = 0.004
"""Clocks are wrong by so much at most; two differ by less than the 1 % that vouching allows."""

Undo = Callable[[], None]
Fault = Callable[[], tuple[str, float, Undo] | None]
"""Does something; says what, for how long, and how to undo it."""


class Adversary(Ambushes, Words):
    """`strike` begins one fault; `heal` ends all."""

    def __init__(
        self, world: World, administrator: Administrator, dice: random.Random, *, faults: Sequence[str] = ()
    ) -> None:
        self.world = world
        self.administrator = administrator
        self.dice = dice
        self.tried: dict[str, int] = {}
        self._open: dict[int, Undo] = {}
        self._serial = 0
        kinds = self._kinds()
        count = dice.choice([1, 2, 3, 5, 8, len(kinds)])
        self.temperament = list(faults) or sorted(dice.sample(sorted(kinds), min(count, len(kinds))))
        self._faults = [kinds[name] for name in self.temperament]
        self.pause_s = dice.choice([1.5, 3.0, 6.0])
        for host in world.hosts.values():
            host.clock.rate = dice.uniform(-RHO, RHO)

    def _kinds(self) -> dict[str, Fault]:
        return {
            name.removeprefix("do_"): getattr(self, name)
            for name in sorted(dir(self))
            if name.startswith("do_")
        }

    # -- the play

    def strike(self) -> None:
        fault = self.dice.choice(self._faults)
        done = fault()
        if done is None:
            return
        what, seconds, undo = done
        name = fault.__name__.removeprefix("do_")  # type: ignore[attr-defined]
        self.tried[name] = self.tried.get(name, 0) + 1
        self.world.story(f"FAULT {what}, {seconds:.1f} s")
        self._serial += 1
        serial = self._serial
        self._open[serial] = undo
        self.world.loop.call_later(seconds, self._end, serial, what, context=self.world.api.context)

    def _end(self, serial: int, what: str) -> None:
        undo = self._open.pop(serial, None)
        if undo is not None:
            self.world.story(f"end of {what}")
            undo()

    def heal(self) -> None:
        """All faults end now, and every host gets power."""
        self.world.story("ALL FAULTS END")
        for serial in sorted(self._open):
            self._end(serial, f"fault {serial}")
        self.world.power.restore()
        for host in self.world.hosts.values():
            self.world.power.boot(host)

    # -- choosing

    def _host(self) -> Host:
        return self.world.hosts[self.dice.choice(sorted(self.world.hosts))]

    def _live(self) -> Host | None:
        live = [host for host in self.world.hosts.values() if host.up and not host.frozen]
        return self.dice.choice(live) if live else None

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

    # -- hosts and programs

    def do_crash(self) -> tuple[str, float, Undo] | None:
        host = self._live()
        if host is None:
            return None
        host.power_off("power cut")
        return f"power cut of {host.name}", self._seconds(0.5, 25.0), partial(self.world.power.boot, host)

    def do_freeze(self) -> tuple[str, float, Undo] | None:
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

    def _pause(
        self, host: Host | None, process: Process | None, what: str, *, excuse: bool
    ) -> tuple[str, float, Undo] | None:
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

    def do_pause_agent(self) -> tuple[str, float, Undo] | None:
        host = self._live()
        return self._pause(host, host.agent.process if host and host.agent else None, "agent", excuse=True)

    def do_pause_keeper(self) -> tuple[str, float, Undo] | None:
        host = self._live()
        return self._pause(host, host.keeper.process if host and host.keeper else None, "keeper", excuse=True)

    def do_pause_operator(self) -> tuple[str, float, Undo] | None:
        host = self._live()
        return self._pause(host, host.operator if host else None, "operator", excuse=False)

    def do_kill(self) -> tuple[str, float, Undo] | None:
        host = self._live()
        if host is None:
            return None
        self.dice.choice(
            [host.kill_agent, host.kill_agent, host.kill_keeper, host.kill_operator, host.kill_operator]
        )()
        return f"kill on {host.name}", 0.1, _nothing

    # -- networks

    def _link(self) -> Link:
        return self.world.api.link(self._host().name)

    def do_cut_api(self) -> tuple[str, float, Undo] | None:
        link = self._link()
        self.world.hosts[link.name].trouble(20.0)
        way = self.dice.choice(["both", "requests", "answers"])
        breaks = self.dice.random() < 0.5
        if way in ("both", "requests"):
            link.up = False
        if way in ("both", "answers"):
            link.back_up = False

        def again() -> None:
            link.up = link.back_up = True
            if breaks:
                self.world.api.break_watches([link])
            self.world.api.resume_watches(link)

        return f"cut of {link.name} from the API ({way})", self._seconds(0.3, 20.0), again

    def do_bad_link(self) -> tuple[str, float, Undo] | None:
        link = self._link()
        link.loss = self.dice.choice([0.05, 0.3, 0.7])
        link.jitter_s = self.dice.choice([0.05, 0.5, 1.5])
        self._trouble_all(20.0)

        def again() -> None:
            link.loss, link.jitter_s = 0.0, 0.003

        return (
            f"bad link of {link.name}: loss {link.loss}, jitter {link.jitter_s}",
            self._seconds(1.0, 20.0),
            again,
        )

    def do_cut_peers(self) -> tuple[str, float, Undo] | None:
        a, b = self._host(), self._host()
        both = self.dice.random() < 0.6
        a.peers_up[b.name] = False
        if both:
            b.peers_up[a.name] = False

        def again() -> None:
            a.peers_up[b.name] = b.peers_up[a.name] = True

        return f"cut of keepers {a.name} {'<->' if both else '->'} {b.name}", self._seconds(1.0, 30.0), again

    def do_slow_letters(self) -> tuple[str, float, Undo] | None:
        world = self.world
        world.letters_lost, world.letters_delay_s = (
            self.dice.choice([0.1, 0.5]),
            self.dice.choice([0.1, 1.0, 3.0]),
        )

        def again() -> None:
            world.letters_lost, world.letters_delay_s = 0.0, 0.003

        return "slow letters between keepers", self._seconds(2.0, 20.0), again

    def do_isolate(self) -> tuple[str, float, Undo] | None:
        """Some hosts hear only one another; or nobody at all."""
        names = sorted(self.world.hosts)
        cut = self.dice.sample(names, self.dice.randrange(1, len(names) + 1))
        links = [self.world.api.link(one) for one in cut]
        apart = [(a, b) for a in names for b in names if (a in cut) != (b in cut)]
        for link in links:
            link.up = link.back_up = False
            self.world.hosts[link.name].trouble(20.0)
        for a, b in apart:
            self.world.hosts[a].peers_up[b] = False

        def again() -> None:
            for a, b in apart:
                self.world.hosts[a].peers_up[b] = True
            for link in links:
                link.up = link.back_up = True
                self.world.api.resume_watches(link)

        return f"isolation of {' '.join(cut)}", self._seconds(0.5, 20.0), again

    # -- the API

    def do_api_outage(self) -> tuple[str, float, Undo] | None:
        weather = self.world.api.weather
        weather.answers, weather.refuses = False, self.dice.random() < 0.5
        if self.dice.random() < 0.6:
            self.world.api.break_watches(list(self.world.api.links.values()))

        late = self._link() if self.dice.random() < 0.5 else None

        def again() -> None:
            weather.answers, weather.refuses = True, False
            self.world.api.break_watches(list(self.world.api.links.values()))
            if late is not None and late.up:
                # It comes back to some a little later than to others: to nobody's harm.
                late.up = False
                self.world.loop.call_later(
                    self.dice.uniform(0.2, 1.0),
                    lambda: setattr(late, "up", True),
                    context=self.world.api.context,
                )

        return "outage of the API", self._seconds(0.5, 25.0), again

    def do_restore(self) -> tuple[str, float, Undo] | None:
        """A backup of etcd is taken, and restored later: what was acknowledged between is gone."""
        world = self.world
        if not world.api.weather.answers:
            return None
        snapshot = world.api.store.snapshot()

        def again() -> None:
            world.restore(snapshot)
            self.administrator.restored()

        return "a backup of etcd, to be restored", self._seconds(0.5, 20.0), again

    def do_brown_out(self) -> tuple[str, float, Undo] | None:
        weather = self.world.api.weather
        weather.slow_s = self.dice.choice([0.0, 0.2, 1.0, 2.5])
        weather.failing = self.dice.choice([0.0, 0.2, 0.5, 0.9])
        weather.losing = self.dice.choice([0.0, 0.2, 0.5])
        self._trouble_all(20.0)

        def again() -> None:
            weather.slow_s = weather.failing = weather.losing = 0.0

        what = f"brown-out: slow {weather.slow_s}, failing {weather.failing}, losing {weather.losing}"
        return what, self._seconds(1.0, 20.0), again

    def do_conflicts(self) -> tuple[str, float, Undo] | None:
        weather = self.world.api.weather
        weather.meddling = self.dice.choice([0.3, 0.7, 0.95])

        def again() -> None:
            weather.meddling = 0.0

        return f"storm of conflicts ({weather.meddling})", self._seconds(1.0, 15.0), again

    def do_watch_trouble(self) -> tuple[str, float, Undo] | None:
        link = self._link()
        if self.dice.random() < 0.5:
            link.watch_silent = True
        else:
            link.watch_lag_s = self.dice.choice([0.2, 1.0, 4.0])

        def again() -> None:
            link.watch_silent, link.watch_lag_s = False, 0.0
            self.world.api.resume_watches(link)

        return (
            f"watches of {link.name}: silent {link.watch_silent}, late by {link.watch_lag_s}",
            self._seconds(1.0, 30.0),
            again,
        )

    # -- clocks, agents, fencing, people

    def do_clock_jump(self) -> tuple[str, float, Undo] | None:
        host = self._host()
        shift = self.dice.choice([-86400.0, -3600.0, -5.0, 5.0, 3600.0, 86400.0])
        host.clock.wall_shift += shift
        return f"wall clock of {host.name} jumps by {shift:.0f} s", 0.1, _nothing

    def do_bad_agent(self) -> tuple[str, float, Undo] | None:
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

    def do_service_dies(self) -> tuple[str, float, Undo] | None:
        places = [(host, one) for host in self.world.hosts.values() for one in sorted(host.active)]
        if not places:
            return None
        host, resource = self.dice.choice(places)
        del host.active[resource]
        return f"{resource} on {host.name} dies by itself", 0.1, _nothing

    def do_bad_fencing(self) -> tuple[str, float, Undo] | None:
        """A device, or all of them, fail, hang, or say that they failed when they did not."""
        devices = sorted(self.world.setting.devices)
        if not devices:
            return None
        chosen = devices if self.dice.random() < 0.3 else [self.dice.choice(devices)]
        return self._devices(chosen, self.dice.choice(["fails", "hangs", "denies"]), self._seconds(3.0, 25.0))

    def do_liar(self) -> tuple[str, float, Undo] | None:
        """A device says that it did what it did not. What it was asked to end is beyond all promises then; the rest is not."""
        devices = sorted(self.world.setting.devices)
        if not devices:
            return None
        return self._devices([self.dice.choice(devices)], "lies", self._seconds(3.0, 12.0))

    def _devices(self, chosen: list[str], mode: str, seconds: float) -> tuple[str, float, Undo]:
        modes = self.world.power.modes
        modes.update(dict.fromkeys(chosen, mode))

        def again() -> None:
            for name in chosen:
                modes.pop(name, None)

        return f"{' '.join(chosen)}: {mode}", seconds, again

    def do_people(self) -> tuple[str, float, Undo] | None:
        if not self.world.api.weather.answers:
            return None
        self.administrator.act()
        return "administrator", 0.1, _nothing

    def chaos(self, seconds: float) -> Iterator[float]:
        """Pauses between faults, for so long in all."""
        end = self.world.loop.time() + seconds
        while (left := end - self.world.loop.time()) > 0:
            yield min(left, self.dice.expovariate(1 / self.pause_s))
            self.strike()


def _nothing() -> None:
    pass
