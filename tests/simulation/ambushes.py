"""Faults that wait for their moment: what random faults hit once in a thousand seeds, these hit in one of ten.

Each stays within what the design promises to bear. `then` steps are dropped when the fault is ended before them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backstay_nodeagent.orders import Verb
from simulation.hand import Done, Hand, Undo
from simulation.truth import Habit

if TYPE_CHECKING:
    from simulation.host import Host

GROUP = ("fs", "ip", "www")
ATTEMPT_S = 0.9
"""How long a keeper waits for the answer to a renewal."""


class Ambushes(Hand):
    """Part of the Adversary."""

    def do_ambush(self) -> Done:
        """A host is struck in the very moment in which it begins an order, and agents are slow, so that more orders wait behind it."""
        host = self._live()
        if host is None or not self.world.api.weather.answers:
            return None
        how = self.dice.choice(["cut", "cut", "crash", "crash", "kill agent"])
        slow = {name: Habit(slow_s=3.0) for name in GROUP}
        host.behaviour.habits.update(slow)
        host.trouble(35.0)
        undo: list[Undo] = []

        def strike() -> None:
            self.world.story(f"AMBUSH: {how} of {host.name}")
            undo.append(self._struck(host, how))

        host.traps.append((Verb.START, strike))
        for name in self.world.hosts:
            self.administrator.set_standby(name, on=name != host.name and self.dice.random() < 0.8)

        def again() -> None:
            host.traps.clear()
            for one in (*undo, lambda: self._no_habits(host, GROUP)):
                one()
            for name in self.world.hosts:
                self.administrator.set_standby(name, on=False)

        return f"ambush on {host.name}: {how}", self.dice.uniform(8.0, 14.0), again

    def _struck(self, host: Host, how: str) -> Undo:
        if how == "crash":
            host.power_off("ambush")
            return self._then(self.dice.uniform(0.3, 1.5), lambda: None if host.up else host.boot())
        if how == "kill agent":
            host.kill_agent()
            return lambda: None
        return self._alone(host)

    def do_relapse(self) -> Done:
        """An agent is killed, and when another has just begun, its host is cut off alone."""
        host = self._runner_of("vip") or self._live()
        if host is None:
            return None
        host.kill_agent()
        host.trouble(30.0)
        undo: list[Undo] = []
        step = self._then(self.dice.uniform(3.0, 4.5), lambda: undo.append(self._alone(host)))

        def again() -> None:
            for one in (step, *undo):
                one()

        return f"relapse of {host.name}", self.dice.uniform(8.0, 13.0), again

    def do_stays_away(self) -> Done:
        """An agent is killed and stays away for a while; its host is cut off alone, with nobody there to let go but the keeper."""
        host = self._runner_of("vip") or self._live()
        if host is None:
            return None
        host.kill_agent(away_s=self.dice.uniform(5.0, 8.0))
        host.trouble(30.0)
        undo: list[Undo] = []
        step = self._then(self.dice.uniform(0.3, 1.5), lambda: undo.append(self._alone(host)))

        def again() -> None:
            for one in (step, *undo):
                one()

        return f"agent of {host.name} stays away", self.dice.uniform(8.0, 13.0), again

    def do_cable(self) -> Done:
        """A host is cut off alone, for as long as a watchdog and those who wait for it may take."""
        host = self._runner_of(self.dice.choice(["db", "vip", "fs"])) or self._live()
        if host is None:
            return None
        host.trouble(35.0)
        return f"{host.name} is cut off alone", self.dice.uniform(6.0, 22.0), self._alone(host)

    def do_late_answers(self) -> Done:
        """Answers come as late as one waits for them, stops take as long as their margin allows; then the host is cut off alone."""
        host = self._runner_of("vip") or self._live()
        if host is None:
            return None
        link = self.world.api.link(host.name)
        link.answer_lag_s = self.dice.uniform(0.8, 0.97) * ATTEMPT_S
        host.behaviour.habits["vip"] = Habit(slow_s=60.0)
        host.trouble(30.0)
        undo: list[Undo] = []
        step = self._then(self.dice.uniform(2.5, 4.0), lambda: undo.append(self._alone(host)))

        def again() -> None:
            link.answer_lag_s = 0.0
            for one in (step, *undo, lambda: self._no_habits(host, ("vip",))):
                one()

        return f"late answers to {host.name}", self.dice.uniform(8.0, 12.0), again

    def do_straggler(self) -> Done:
        """The API goes away, and keepers promise one another to stand still; then it comes back for all but one."""
        names = sorted(self.world.hosts)
        runner = self._runner_of("vip")
        straggler = runner.name if runner is not None else self.dice.choice(names)
        links = {name: self.world.api.link(name) for name in names}
        for name, link in links.items():
            link.up = link.back_up = False
            self.world.hosts[name].trouble(35.0)

        def back(name: str) -> None:
            links[name].up = links[name].back_up = True
            self.world.api.resume_watches(links[name])

        outage_s = self.dice.uniform(4.0, 9.0)
        steps = [
            self._then(outage_s + self.dice.uniform(0.0, 0.5), partial(back, name))
            for name in names
            if name != straggler
        ]

        def again() -> None:
            for step in steps:
                step()
            for name in names:
                back(name)

        seconds = outage_s + self.dice.uniform(6.0, 12.0)
        return f"outage of the API, longer for {straggler} than for the others", seconds, again

    def do_failing_stop(self) -> Done:
        """What requires fencing cannot be stopped on a host any more, and the administrator puts it in standby. (That what needs none
        can be stopped is assumed, and said so.)"""
        host = self._runner_of("db")
        if host is None:
            return None
        names = tuple(sorted(name for name, requires in host.active.items() if requires == "fencing"))
        host.behaviour.habits.update({name: Habit(fails=frozenset({"stop"})) for name in names})
        host.trouble(35.0)
        step = self._then(0.5, lambda: self.administrator.set_standby(host.name, on=True))

        def again() -> None:
            step()
            self._no_habits(host, names)
            self.administrator.set_standby(host.name, on=False)

        return f"nothing on {host.name} can be stopped", self.dice.uniform(6.0, 12.0), again

    # -- parts

    @staticmethod
    def _no_habits(host: Host, resources: tuple[str, ...]) -> None:
        for name in resources:
            host.behaviour.habits.pop(name, None)
