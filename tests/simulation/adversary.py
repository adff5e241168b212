"""Everything that goes wrong, from a seed: faults begin at random, overlap, and end. Then all is healed, and the cluster must recover.

A seed has a temperament: which kinds of faults it knows, and how fast they come; so some seeds try one kind alone, others all at once.
The kinds stand by subject in files of their own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from simulation.ambushes import Ambushes
from simulation.api_faults import ApiFaults
from simulation.belonging_faults import BelongingFaults
from simulation.disk_faults import DiskFaults
from simulation.fencing_faults import FencingFaults
from simulation.hand import Done, Undo, kinds_of, nothing
from simulation.host_faults import HostFaults
from simulation.neighbour_faults import NeighbourFaults
from simulation.network_faults import NetworkFaults
from simulation.nonsense import NonsenseFaults
from simulation.object_faults import ObjectFaults
from simulation.reading_faults import ReadingFaults
from simulation.settling import settle
from simulation.words import Words

if TYPE_CHECKING:
    from simulation.administrator import Administrator
    from simulation.world import World

RHO = 0.004
"""Clocks are wrong by so much at most; two differ by less than the 1 % that vouching allows."""


BELONGING, OBJECTS, READING = (
    frozenset(kinds_of(one)) for one in (BelongingFaults, ObjectFaults, ReadingFaults)
)
REMOVED = frozenset({"object_held", "object_deleted", "object_replaced"})
CALM = OBJECTS | READING | {"rival", *kinds_of(NeighbourFaults)}
"""Kinds that no healthy host need notice: nothing may be stopped for them but what they strike themselves."""


class Adversary(
    Ambushes,
    ApiFaults,
    BelongingFaults,
    DiskFaults,
    FencingFaults,
    HostFaults,
    NeighbourFaults,
    NetworkFaults,
    NonsenseFaults,
    ObjectFaults,
    ReadingFaults,
    Words,
):
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
        kinds = {name: getattr(self, f"do_{name}") for name in kinds_of(type(self))}
        count = dice.choice([1, 2, 3, 5, 8, len(kinds)])
        self.temperament = list(faults) or self._draw(sorted(kinds), count)
        self._faults = [kinds[name] for name in self.temperament]
        self.pause_s = dice.choice([1.5, 3.0, 6.0])
        for host in world.hosts.values():
            host.clock.rate = dice.uniform(-RHO, RHO)

        world.checkers.calm = CALM.issuperset(self.temperament)

    def _draw(self, kinds: list[str], count: int) -> list[str]:
        drawn = set(self.dice.sample(kinds, min(count, len(kinds))))
        if "restore" in drawn and not BELONGING.isdisjoint(drawn):
            # A backup from before a node joined knows nothing of what that node runs: not held (docs/faults.md; seed 309).
            drawn -= {"restore"} if self.dice.random() < 0.5 else BELONGING
        if "usurper" in drawn and not REMOVED.isdisjoint(drawn):
            # Who asks for an id while its holder is deleted has it then: what runs under it is that object's (seed 19).
            drawn.discard("usurper")
        return sorted(drawn)

    @property
    def moves_nodes(self) -> bool:
        """Whether Nodes come and go."""
        return not BELONGING.isdisjoint(self.temperament)

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
        self.world.checkers.calm = False
        for serial in sorted(self._open):
            self._end(serial, f"fault {serial}")
        settle(self.world)
        self.world.power.restore()
        for host in self.world.hosts.values():
            self.world.power.boot(host)

    def chaos(self, seconds: float) -> Iterator[float]:
        """Pauses between faults, for so long in all."""
        end = self.world.loop.time() + seconds
        while (left := end - self.world.loop.time()) > 0:
            yield min(left, self.dice.expovariate(1 / self.pause_s))
            self.strike()

    def do_people(self) -> Done:
        if not self.world.api.weather.answers:
            return None
        self.administrator.act()
        return "administrator", 0.1, nothing
