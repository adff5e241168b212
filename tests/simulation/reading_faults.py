"""Faults of reading: one kind cannot be listed while the others can, or its watch loses what happens; above all as operators start."""

from __future__ import annotations

from backstay_kube import kinds
from simulation.api_server import Sickness
from simulation.hand import Done, Hand, Undo

READ = (
    kinds.HACLUSTER, kinds.HANODE, kinds.HARESOURCE, kinds.RESOURCEGROUP, kinds.HACONSTRAINT, kinds.FENCEDEVICE,
    kinds.NODE, kinds.HANODEPLAN, kinds.LEASE,
)  # fmt: skip


class ReadingFaults(Hand):
    """What cannot be read is not there to be decided upon: neither as gone, nor as it was."""

    def do_list_fails(self) -> Done:
        """For all, or for one host."""
        link = "" if self.dice.random() < 0.5 else self._host().name
        plural = self.dice.choice(READ).plural
        how = self.dice.choice(list(Sickness))
        return (
            f"lists of {plural} {how.value} for {link or 'all'}",
            self._seconds(1.0, 20.0),
            self._sick(link, plural, how),
        )

    def do_cold_start(self) -> Done:
        """All operators start anew, while one kind cannot be listed for some of them."""
        plural = self.dice.choice(READ).plural
        how = self.dice.choice(list(Sickness))
        names = sorted(self.world.hosts)
        links = (
            [""]
            if self.dice.random() < 0.6
            else self.dice.sample(names, self.dice.randrange(1, len(names) + 1))
        )
        undo = [self._sick(link, plural, how) for link in links]
        for host in self.world.hosts.values():
            if host.up and not host.frozen:
                host.kill_operator()

        def again() -> None:
            for one in undo:
                one()

        where = " ".join(links) or "all"
        return f"operators start, lists of {plural} {how.value} for {where}", self._seconds(2.0, 20.0), again

    def do_watch_gap(self) -> Done:
        """Watches of one kind tell nothing for a while, and then end: what happened meanwhile they never tell."""
        plural = self.dice.choice(READ).plural
        names = sorted(self.world.hosts)
        links = [
            self.world.api.link(name)
            for name in self.dice.sample(names, self.dice.randrange(1, len(names) + 1))
        ]
        too_old = self.dice.random() < 0.5
        for link in links:
            link.mute[plural] = link.mute.get(plural, 0) + 1

        def again() -> None:
            for link in links:
                link.mute[plural] -= 1
                self.world.api.drop_watches(link, plural, too_old=too_old)

        where = " ".join(link.name for link in links)
        return f"watches of {plural} tell nothing to {where}", self._seconds(0.5, 15.0), again

    def _sick(self, link: str, plural: str, how: Sickness) -> Undo:
        sick = self.world.api.sick
        sick[(link, plural)] = how
        return lambda: sick.pop((link, plural), None) and None
