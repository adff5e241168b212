"""What somebody with every right in another namespace does: takes ids, bans everything, asks for moves, ties tickets to fencing."""

from __future__ import annotations

from typing import Any

from backstay.api import API_VERSION
from backstay_kube import kinds
from backstay_kube.kinds import Kind
from simulation.hand import Done, Hand, Undo
from simulation.world import resource, template

NEIGHBOUR = "neighbour"
VICTIMS = ("vip", "db", "fs", "ip", "www")
FIRST = {"ha.backstay.io/position": "0"}


class NeighbourFaults(Hand):
    """No resource of the cluster's own namespace may notice any of it."""

    def do_usurper(self) -> Done:
        """An object that asks for the id of one that runs, in one of the ways in which objects have ids, and for a move of it."""
        victim = self.dice.choice(VICTIMS)
        how = self.dice.choice(["id", "name", "clone", "member"])
        manifest = resource(victim if how == "name" else "thief")
        spec = manifest["spec"]
        if how == "id":
            spec["resourceId"] = victim
        elif how == "clone":
            spec["clone"] = {"id": victim, "max": 1}
        elif how == "member":
            manifest["kind"] = "ResourceGroup"
            spec = manifest["spec"] = {"members": [{"name": victim, "template": template()}]}
        target = self.dice.choice(sorted(self.world.hosts))
        spec["requests"] = [{"id": "take", "type": self.dice.choice(["move", "refresh"]), "node": target}]
        manifest["metadata"].update(namespace=NEIGHBOUR, annotations=FIRST)
        return (
            f"a neighbour asks for the id {victim} ({how})",
            self._seconds(1.0, 20.0),
            self._made([manifest]),
        )

    def do_foreign_ban(self) -> Done:
        """Constraints of another namespace that mean all ids, or name one."""
        score = "-INFINITY"
        specs: list[dict[str, Any]] = [
            {"location": {"resourcePattern": ".*", "node": name, "score": score}} for name in self.world.hosts
        ]
        victim = self.dice.choice(VICTIMS)
        other = self.dice.choice([one for one in VICTIMS if one != victim])
        specs += [
            {"ticket": {"ticket": "nowhere", "resource": victim, "lossPolicy": "fence"}},
            {"colocation": {"resource": victim, "withResource": other, "score": score}},
        ]
        chosen = specs if self.dice.random() < 0.5 else [self.dice.choice(specs)]
        manifests = [
            {
                "apiVersion": API_VERSION,
                "kind": "HAConstraint",
                "metadata": {"name": f"ban-{number}", "namespace": NEIGHBOUR},
                "spec": spec,
            }
            for number, spec in enumerate(chosen)
        ]
        return (
            f"a neighbour writes {len(chosen)} constraints",
            self._seconds(1.0, 20.0),
            self._made(manifests),
        )

    def _made(self, manifests: list[dict[str, Any]]) -> Undo:
        """Apply them; undone, they are deleted."""
        self.world.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NEIGHBOUR}})
        for manifest in manifests:
            self.world.make(manifest)

        def again() -> None:
            for manifest in manifests:
                self.world.erase(_KIND_OF[manifest["kind"]], manifest["metadata"]["name"], NEIGHBOUR)

        return again


_KIND_OF: dict[str, Kind] = {
    "HAResource": kinds.HARESOURCE,
    "ResourceGroup": kinds.RESOURCEGROUP,
    "HAConstraint": kinds.HACONSTRAINT,
}
