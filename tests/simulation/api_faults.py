"""Faults of the API server as a whole."""

from __future__ import annotations

from simulation.hand import Done, Hand


class ApiFaults(Hand):
    """Outages, brown-outs, restored backups, conflicts, watches."""

    def do_api_outage(self) -> Done:
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

    def do_restore(self) -> Done:
        """A backup of etcd is taken, and restored later: what was acknowledged between is gone."""
        world = self.world
        if not world.api.weather.answers:
            return None
        snapshot = world.api.store.snapshot()

        def again() -> None:
            world.restore(snapshot)
            self.administrator.restored()

        return "a backup of etcd, to be restored", self._seconds(0.5, 20.0), again

    def do_brown_out(self) -> Done:
        weather = self.world.api.weather
        weather.slow_s = self.dice.choice([0.0, 0.2, 1.0, 2.5])
        weather.failing = self.dice.choice([0.0, 0.2, 0.5, 0.9])
        weather.losing = self.dice.choice([0.0, 0.2, 0.5])
        self._trouble_all(20.0)

        def again() -> None:
            weather.slow_s = weather.failing = weather.losing = 0.0

        what = f"brown-out: slow {weather.slow_s}, failing {weather.failing}, losing {weather.losing}"
        return what, self._seconds(1.0, 20.0), again

    def do_conflicts(self) -> Done:
        weather = self.world.api.weather
        weather.meddling = self.dice.choice([0.3, 0.7, 0.95])

        def again() -> None:
            weather.meddling = 0.0

        return f"storm of conflicts ({weather.meddling})", self._seconds(1.0, 15.0), again

    def do_watch_trouble(self) -> Done:
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
