"""What must hold at every moment, whatever is done to the cluster. Pure: fed with sights and the time, it answers with violations.

- At most one host has the volume group active, the file system mounted, the group's address, the web server, the single address.
- What stands on something is there only when that is: web server, address, file system, volume group.

What a frozen host seems to hold beside another is counted by itself (`while_frozen`), not as a violation: it can do nothing with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from faults.sight import Sight

GROUP_ADDRESS, SINGLE_ADDRESS = "10.0.1.100", "10.0.0.3"
ACTIVE: dict[str, Callable[[Sight], bool]] = {
    "volume group": lambda sight: sight.active,
    "file system": lambda sight: sight.mounted,
    "address of the group": lambda sight: GROUP_ADDRESS in sight.addresses,
    "web server": lambda sight: sight.serves,
    "single address": lambda sight: SINGLE_ADDRESS in sight.addresses,
}
STANDS_ON = {"web server": "address of the group", "address of the group": "file system"}
TWICE = "never active on two hosts"
WITH_VOLUMES = {**STANDS_ON, "file system": "volume group"}
IN_A_NAMESPACE, OF_A_KERNEL = frozenset({"single address"}), frozenset(ACTIVE)
"""What a host that is frozen as a whole seems to hold, and does not: its address, by a kernel that others share; or everything, by a
kernel that stands still as well."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken, from the first look that showed it."""

    at: float
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


@dataclass
class Checkers:
    """``holes`` are hosts whose address was taken away by the fault itself: there the web server may stand on nothing until the
    cluster has noticed. ``stands_on`` and ``idle_when_frozen`` say what kind of hosts these are."""

    stands_on: Mapping[str, str] = field(default_factory=lambda: STANDS_ON)
    idle_when_frozen: Set[str] = IN_A_NAMESPACE
    violations: list[Violation] = field(default_factory=list)
    while_frozen: Counter[str] = field(default_factory=Counter)
    """Looks at which a resource was on two hosts, one of them frozen as a whole."""
    twice_s: float = 0.0
    """For how long something was on two hosts, by the looks that showed it."""
    looks: int = 0
    longest_gap_s: float = 0.0
    _last: float | None = None
    _lasting: set[str] = field(default_factory=set)

    def see(
        self,
        sights: Mapping[str, Sight],
        *,
        now: float,
        frozen: Set[str] = frozenset(),
        holes: Set[str] = frozenset(),
    ) -> None:
        """One look. Time must not run backwards."""
        assert self._last is None or now >= self._last
        since_s = now - self._last if self._last is not None else 0.0
        self.longest_gap_s = max(self.longest_gap_s, since_s)
        self._last = now
        self.looks += 1
        twice = self._twice(sights, frozen)
        self.twice_s += since_s if twice else 0.0
        broken = {**twice, **self._out_of_order(sights, holes)}
        for what, rule in broken.items():
            if what not in self._lasting:
                self.violations.append(Violation(now, rule, what))
        self._lasting = set(broken)

    def _twice(self, sights: Mapping[str, Sight], frozen: Set[str]) -> dict[str, str]:
        """By what is broken, the rule."""
        broken = {}
        for name, active in ACTIVE.items():
            found = [node for node, sight in sights.items() if active(sight)]
            if len(found) < 2:
                continue
            if name in self.idle_when_frozen and sum(node not in frozen for node in found) < 2:
                self.while_frozen[name] += 1
                continue
            broken[f"{name} on {' and '.join(found)}"] = TWICE
        return broken

    def _out_of_order(self, sights: Mapping[str, Sight], holes: Set[str]) -> dict[str, str]:
        return {
            f"{upper} on {node} without {lower}": "group order"
            for node, sight in sights.items()
            for upper, lower in self.stands_on.items()
            if ACTIVE[upper](sight) and not ACTIVE[lower](sight)
            if not (node in holes and upper == "web server")
        }
