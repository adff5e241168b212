"""Faults of the ways between hosts, and between hosts and the API."""

from __future__ import annotations

from simulation.hand import Done, Hand


class NetworkFaults(Hand):
    """Links and letters."""

    def do_cut_api(self) -> Done:
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

    def do_bad_link(self) -> Done:
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

    def do_cut_peers(self) -> Done:
        a, b = self._host(), self._host()
        both = self.dice.random() < 0.6
        a.peers_up[b.name] = False
        if both:
            b.peers_up[a.name] = False

        def again() -> None:
            a.peers_up[b.name] = b.peers_up[a.name] = True

        return f"cut of keepers {a.name} {'<->' if both else '->'} {b.name}", self._seconds(1.0, 30.0), again

    def do_slow_letters(self) -> Done:
        world = self.world
        world.letters_lost, world.letters_delay_s = (
            self.dice.choice([0.1, 0.5]),
            self.dice.choice([0.1, 1.0, 3.0]),
        )

        def again() -> None:
            world.letters_lost, world.letters_delay_s = 0.0, 0.003

        return "slow letters between keepers", self._seconds(2.0, 20.0), again

    def do_isolate(self) -> Done:
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
