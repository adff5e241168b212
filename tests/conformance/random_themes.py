"""Random CIBs that lean on one theme each: migration, sets, tickets, utilization. A theme and a seed make one CIB."""

import random
import xml.etree.ElementTree as ET
from collections.abc import Callable

from .random_cibs import Element, Thing, _Maker, _pairs, _sub


def themed(theme: str, seed: int) -> str:
    """The CIB of a theme (a key of THEMES) and a seed."""
    return ET.tostring(THEMES[theme](random.Random(f"{theme} {seed}")).cib(), encoding="unicode")


class _Migration(_Maker):
    """Resources that allow it are pushed off their nodes, ordered and colocated with others."""

    def _meta(self) -> dict[str, str]:
        meta = {name: value for name, value in super()._meta().items() if name != "is-managed"}
        if self.chance(0.6):
            meta["allow-migrate"] = "true"
        return meta

    def _constraint(self, parent: Element) -> None:
        if self.chance(0.35):
            location = _sub(
                parent, "rsc_location", id=f"k{next(self.numbers)}", rsc=self.dice.choice(self.things).id
            )
            location.set("node", self.dice.choice(self.nodes))
            location.set("score", self.dice.choice(("INFINITY", "-INFINITY", "1000")))
            return
        super()._constraint(parent)


class _Sets(_Maker):
    """Orders, colocations and tickets of sets."""

    def _constraint(self, parent: Element) -> None:
        if len(self.things) < 2 or self.chance(0.4):
            super()._constraint(parent)
            return
        identity = f"k{next(self.numbers)}"
        order = self.chance(0.5)
        made = _sub(parent, "rsc_order" if order else "rsc_colocation", id=identity)
        if order:
            made.set("kind", self.dice.choice(("Mandatory", "Mandatory", "Optional", "Serialize")))
        else:
            made.set("score", self.dice.choice(("INFINITY", "INFINITY", "-INFINITY", "500")))
        members = self.dice.sample(self.things, self.dice.randint(2, len(self.things)))
        cut = self.dice.randint(1, len(members) - 1) if self.chance(0.6) else len(members)
        for number, part in enumerate(filter(None, (members[:cut], members[cut:])), start=1):
            self._set(made, f"{identity}-{number}", part, order=order)

    def _set(self, parent: Element, identity: str, members: list[Thing], *, order: bool) -> None:
        made = _sub(parent, "resource_set", id=identity)
        if self.chance(0.5):
            made.set("sequential", "false")
        if order and made.get("sequential") == "false" and self.chance(0.3):
            made.set("require-all", "false")
        for one in members:
            _sub(made, "resource_ref", id=one.id)


class _Tickets(_Maker):
    """Tickets of every loss policy, granted, lost or in standby."""

    def _constraint(self, parent: Element) -> None:
        if self.chance(0.5):
            super()._constraint(parent)
            return
        thing = self.dice.choice(self.things)
        made = _sub(parent, "rsc_ticket", id=f"k{next(self.numbers)}", rsc=thing.id)
        made.set("ticket", self.dice.choice(("t1", "t2")))
        made.set("loss-policy", self.dice.choice(("stop", "demote", "fence", "freeze")))
        if thing.promotable and self.chance(0.5):
            made.set("rsc-role", "Promoted")

    def cib(self) -> Element:
        root = super().cib()
        tickets = ET.Element("tickets")
        for name in ("t1", "t2"):
            if self.chance(0.8):
                state = _sub(tickets, "ticket_state", id=name, granted=self.dice.choice(("true", "false")))
                state.set("last-granted", "1700000000")
                if self.chance(0.2):
                    state.set("standby", "true")
        status = root.find("status")
        assert status is not None
        status.append(tickets)
        return root


class _Utilization(_Maker):
    """Nodes of a size, resources with a need, and every placement strategy."""

    def _properties(self) -> dict[str, str]:
        values = super()._properties()
        values["placement-strategy"] = self.dice.choice(("utilization", "minimal", "balanced"))
        return values

    def _primitive(self, parent: Element, thing: Thing, name: str) -> None:
        super()._primitive(parent, thing, name)
        if self.chance(0.8):
            _pairs(parent[-1], "utilization", name, {"cpu": str(self.dice.randint(1, 4))})

    def _node(self, nodes: Element, status: Element, identity: str, name: str) -> None:
        super()._node(nodes, status, identity, name)
        _pairs(nodes[-1], "utilization", f"node-{name}", {"cpu": str(self.dice.randint(2, 8))})


THEMES: dict[str, Callable[[random.Random], _Maker]] = {
    "migration": _Migration,
    "sets": _Sets,
    "tickets": _Tickets,
    "utilization": _Utilization,
}
