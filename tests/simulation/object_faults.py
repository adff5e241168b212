"""Faults of single objects: deleted, made again, edited by hand, made unreadable, held by a finalizer, of every kind and at any moment.

What a person says is not among them: no status here claims that something stopped which runs (`Words` has people's words).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backstay.api import LEASE_NAMESPACE
from backstay_kube import kinds
from backstay_kube.kinds import Kind
from simulation.hand import Done, Hand, nothing
from simulation.world import CLUSTER, NOVELTY

HOLD = "example.com/hold"
Thing = tuple[Kind, str, str | None]
"""Kind, name, namespace."""
USERS = (kinds.HACLUSTER, kinds.HARESOURCE, kinds.RESOURCEGROUP, kinds.FENCEDEVICE)
"""Kinds that people write: what of them is deleted, people make again."""
ODD_STATUS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "HACluster": lambda dice: {
        "epoch": dice.choice([0, 1, 1000]),
        "dc": "nobody",
        "quorum": dice.random() < 0.5,
    },
    "HANode": lambda dice: {"state": dice.choice(["Online", "Offline", "Unclean", "Odd"]), "resources": 7},
    "HAResource": lambda dice: {"role": "Stopped", "node": dice.choice(["", "n1", "elsewhere"])},
    "ResourceGroup": lambda dice: {"role": "Stopped", "node": dice.choice(["", "n1", "elsewhere"])},
    "HANodePlan": lambda dice: {"observedGeneration": dice.choice([0, 999])},
}
"""By kind, what somebody writes into a status."""


class ObjectFaults(Hand):
    """Whatever is done to an object, is done to just one."""

    def do_object_deleted(self) -> Done:
        """One that programs make: HANode, plan, Lease, the key for vouching, the record of a transition."""
        thing = self._choose(self._ours())
        if thing is None:
            return None
        self._delete(thing)
        return f"{_words(thing)} is deleted", 0.1, nothing

    def do_object_replaced(self) -> Done:
        """One that people make is deleted, and made again with another uid: at once, or later."""
        thing = self._choose(self._users())
        if thing is None:
            return None
        manifest = self._manifest(thing)
        self._delete(thing)
        at_once = self.dice.random() < 0.5
        if at_once:
            self._make(manifest)
        seconds = 0.1 if at_once else self._seconds(0.2, 15.0)
        return f"{_words(thing)} is deleted, and made again", seconds, lambda: self._make(manifest)

    def do_object_held(self) -> Done:
        """A finalizer of a stranger keeps an object that is being deleted; it is pulled later, and what people want is made again."""
        thing = self._choose([*self._users(), *self._ours()])
        if thing is None or thing[0] is kinds.LEASE:
            return None
        manifest = self._manifest(thing) if thing[0] in USERS else None
        self._patch(thing, {"metadata": {"finalizers": [HOLD]}})
        self._delete(thing)

        def again() -> None:
            self._patch(thing, {"metadata": {"finalizers": None}})
            if manifest is not None:
                self._make(manifest)

        return f"{_words(thing)} is being deleted, and held", self._seconds(0.5, 20.0), again

    def do_object_unreadable(self) -> Done:
        """It carries what only a newer version knows."""
        thing = self._choose(
            [one for one in (*self._users(), *self._ours()) if one[0].group == kinds.HANODE.group]
        )
        if thing is None:
            return None
        part = self.dice.choice(["spec", "status"]) if thing[0] is kinds.HANODEPLAN else "spec"
        self._patch(thing, {part: {NOVELTY: "x"}}, status=part == "status")
        self._touch(thing)

        def again() -> None:
            self._patch(thing, {part: {NOVELTY: None}}, status=part == "status")

        return f"{_words(thing)} is unreadable ({part})", self._seconds(0.5, 25.0), again

    def do_status_edited(self) -> Done:
        """By hand: wiped, or something odd written into it."""
        thing = self._choose([*self._users(), *self._ours()])
        if thing is None or thing[0].name not in ODD_STATUS or self._has_answered(thing):
            return None
        wiped = self.dice.random() < 0.4
        change = None if wiped else ODD_STATUS[thing[0].name](self.dice)
        self._patch(thing, {"status": change}, status=True)
        return f"status of {_words(thing)} becomes {change}", 0.1, nothing

    # -- parts

    def _users(self) -> list[Thing]:
        return [
            (kind, obj["metadata"]["name"], obj["metadata"].get("namespace"))
            for kind in USERS
            for obj in self.world.read_all(kind)
            if obj["metadata"]["name"] in (CLUSTER, "vip", "db", "web", *self.world.setting.devices)
            and obj["metadata"].get("namespace") in (None, "default")
        ]

    def _ours(self) -> list[Thing]:
        names = sorted(self.world.hosts)
        transitions = [one["metadata"]["name"] for one in self.world.read_all(kinds.HATRANSITION)]
        return [
            *((kind, name, None) for name in names for kind in (kinds.HANODE, kinds.HANODEPLAN)),
            *((kinds.LEASE, f"node-{name}", LEASE_NAMESPACE) for name in names),
            (kinds.LEASE, f"dc-{CLUSTER}", LEASE_NAMESPACE),
            *((kinds.HATRANSITION, name, None) for name in transitions[-1:]),
        ]

    def _choose(self, things: list[Thing]) -> Thing | None:
        """Kinds are equally likely, however many objects there are of each."""
        present = [one for one in things if self.world.read(*one) is not None]
        if not present:
            return None
        kind = self.dice.choice(sorted({one[0].name for one in present}))
        return self.dice.choice([one for one in present if one[0].name == kind])

    def _manifest(self, thing: Thing) -> dict[str, Any]:
        """As a person would apply it: without what the API has added."""
        obj = self.world.read(*thing)
        assert obj is not None
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
        spec = {key: value for key, value in obj["spec"].items() if key not in (NOVELTY, "requests")}
        return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "spec": spec}

    def _make(self, manifest: dict[str, Any]) -> None:
        metadata = manifest["metadata"]
        if manifest["kind"] == "HACluster":  # its selector may have been edited back meanwhile
            manifest = self.world.cluster_manifest(metadata["name"])
        self.world.make(manifest)

    def _touch(self, thing: Thing) -> None:
        if thing[0] in (kinds.HARESOURCE, kinds.RESOURCEGROUP):
            self.world.checkers.touched(thing[1])

    def _delete(self, thing: Thing) -> None:
        self._touch(thing)
        self.world.erase(*thing)
        self.administrator.forget(thing[0].name, thing[1])
        self.world.checkers.deleted(thing[0])

    def _patch(self, thing: Thing, change: dict[str, Any], *, status: bool = False) -> None:
        obj = self.world.read(*thing)
        if obj is not None:
            self.world.patch(thing[0], obj, change, status=status)

    def _has_answered(self, thing: Thing) -> bool:
        """Whether its status holds an answer whose loss would be a request made again: to fence, to confirm."""
        obj = self.world.read(*thing) or {}
        return thing[0] is kinds.HANODE and bool(obj.get("spec", {}).get("requests"))


def _words(thing: Thing) -> str:
    return f"{thing[0].name} {thing[1]}"
