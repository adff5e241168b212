"""People who change things meanwhile. What the API has taken in must be honoured in the end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from backstay_kube import kinds
from simulation.world import CLUSTER, group, resource

if TYPE_CHECKING:
    from simulation.world import World

KIND_OF = {"HAResource": kinds.HARESOURCE, "ResourceGroup": kinds.RESOURCEGROUP}
EXTRA = ("x1", "x2")
REQUESTS_KEPT = 4


class Administrator:
    """Acts only while the API answers, so that each of their changes is acknowledged."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world = world
        self.dice = dice
        self.serial = 0
        self.gone = ""
        """A host that will not come back."""
        self.asked: dict[tuple[str, str, str], None] = {}
        """Requests that stand: kind, name, id."""

    @property
    def items(self) -> list[tuple[str, str]]:
        """Resources and groups, by kind and name."""
        return [
            (kind, obj["metadata"]["name"])
            for kind in sorted(KIND_OF)
            for obj in self.world.read_all(KIND_OF[kind])
            if obj["metadata"]["namespace"] == "default"
        ]

    def act(self) -> None:
        """One change of some kind."""
        if not self.items:
            return
        deeds = [
            *(self.standby,) * 3, *(self.unstandby,) * 4, *(self.role,) * 4, *(self.move,) * 5, *(self.cleanup,) * 3,
            *(self.remove,) * 1, *(self.add,) * 2, self.fence, self.edit, self.shutdown,
        ]  # fmt: skip
        self.dice.choice(deeds)()

    # -- nodes

    def standby(self) -> None:
        self._node(standby=True)

    def unstandby(self) -> None:
        self._node(standby=False, shutdown=False)

    def shutdown(self) -> None:
        self._node(shutdown=True)

    def _node(self, name: str = "", **fields: Any) -> None:
        name = name or self.dice.choice(sorted(self.world.hosts))
        if self.world.read(kinds.HANODE, name) is not None:
            self.world.story(f"administrator sets {fields} on {name}")
            self.world.write("PATCH", kinds.HANODE.path(None, name), {"spec": fields})

    def all_nodes_on(self, but: str = "") -> None:
        """Nodes may run things again, except one."""
        for name in self.world.hosts:
            self._node(name, standby=name == but, shutdown=False)

    def set_standby(self, name: str, *, on: bool) -> None:
        if self.world.api.weather.answers:
            self._node(name, standby=on)

    def fence(self) -> None:
        name = self.dice.choice(sorted(self.world.hosts))
        if self.world.read(kinds.HANODE, name) is not None:
            self.world.hosts[name].asked_for = True
            self._ask("HANode", name, {"type": "fence"})

    def confirm(self, name: str) -> str:
        """Say that it is off. Returns the request's id."""
        if self.world.read(kinds.HANODE, name) is None:
            return ""
        self._ask("HANode", name, {"type": "confirm"})
        return f"q{self.serial}"

    def confirm_gone(self) -> None:
        if self.gone:
            self.confirm(self.gone)

    def state_of(self, name: str, id_: str) -> str:
        """What a node's request has come to; empty: nothing yet."""
        node = self.world.read(kinds.HANODE, name) or {}
        acks = node.get("status", {}).get("requests", [])
        return next((one["state"] for one in acks if one["id"] == id_), "")

    def take_back(self, name: str) -> None:
        """All that was confirmed of it."""
        node = self.world.read(kinds.HANODE, name)
        if node is None:
            return
        standing = node["spec"].get("requests", [])
        kept = [one for one in standing if one["type"] != "confirm"]
        if len(kept) < len(standing):
            self.world.story(f"administrator takes back what was confirmed of {name}")
            self.world.write("PATCH", kinds.HANODE.path(None, name), {"spec": {"requests": kept}})
            for gone in standing:
                if gone not in kept:
                    self.asked.pop(("HANode", name, gone["id"]), None)

    def set_watchdog(self, spec: dict[str, Any] | None) -> None:
        if self.world.read(kinds.HACLUSTER, CLUSTER) is None:
            return
        self.world.story(f"administrator sets watchdog: {spec is not None}")
        self.world.write("PATCH", kinds.HACLUSTER.path(None, CLUSTER), {"spec": {"watchdog": spec}})

    # -- resources

    def role(self) -> None:
        kind, name = self.dice.choice(self.items)
        role = self.dice.choice(["Stopped", "Started", "Started"])
        self._spec(kind, name, {"meta": {"targetRole": role}})

    def set_role(self, name: str, role: str) -> None:
        """Of one resource."""
        self._spec("HAResource", name, {"meta": {"targetRole": role}})

    def edit(self) -> None:
        """A changed parameter: restart."""
        plain = [one for one in self.items if one[0] == "HAResource"]
        if plain:
            kind, name = self.dice.choice(plain)
            self.serial += 1
            self._spec(kind, name, {"params": {"state": f"/run/{self.serial}"}})

    def _spec(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        self.world.story(f"administrator sets {spec} on {kind} {name}")
        self.world.write("PATCH", KIND_OF[kind].path("default", name), {"spec": spec})

    def move(self) -> None:
        kind, name = self.dice.choice(self.items)
        node = self.dice.choice([None, *sorted(self.world.hosts)])
        self._ask(kind, name, {"type": "move", **({"node": node} if node else {})})

    def cleanup(self) -> None:
        kind, name = self.dice.choice(self.items)
        self._ask(kind, name, {"type": self.dice.choice(["cleanup", "refresh"])})

    def refresh_all(self) -> None:
        for kind, name in self.items:
            self._ask(kind, name, {"type": "refresh"})

    def remove(self) -> None:
        """Delete; it may come back by `add`."""
        items = [one for one in self.items if one[1] in (*EXTRA, "web")]
        if items:
            kind, name = self.dice.choice(items)
            self.world.story(f"administrator deletes {kind} {name}")
            self.world.write("DELETE", KIND_OF[kind].path("default", name))
            self.forget(kind, name)

    def add(self) -> None:
        present = [name for _, name in self.items]
        missing = [one for one in (*EXTRA, "web") if one not in present]
        if not missing:
            return
        name = self.dice.choice(missing)
        self.world.story(f"administrator creates {name}")
        if name == "web":
            self.world.apply(group("web", ["fs", "ip", "www"]))
        else:
            self.world.apply(resource(name))

    # -- requests

    def _ask(self, kind: str, name: str, request: dict[str, Any]) -> None:
        self.serial += 1
        request = {"id": f"q{self.serial}", **request}
        path = kinds.HANODE.path(None, name) if kind == "HANode" else KIND_OF[kind].path("default", name)
        obj = self.world.read(KIND_OF.get(kind, kinds.HANODE), name, None if kind == "HANode" else "default")
        assert obj is not None
        standing = [*obj["spec"].get("requests", []), request][-REQUESTS_KEPT:]
        self.world.story(f"administrator asks of {kind} {name}: {request}")
        self.world.write("PATCH", path, {"spec": {"requests": standing}})
        ids = {one["id"] for one in standing}
        self.asked = {one: None for one in self.asked if one[:2] != (kind, name) or one[2] in ids}
        self.asked[(kind, name, request["id"])] = None

    def turn_probes_on(self) -> None:
        """Without them a refresh forgets failures only, and a stop that failed blocks for ever: people have what runs looked at."""
        if not self.world.properties["enableStartupProbes"]:
            self.world.story("administrator turns startup probes on")
            self.world.properties["enableStartupProbes"] = True
            self.world.apply(self.world.cluster_manifest(CLUSTER))

    def forget(self, kind: str, name: str) -> None:
        """What was asked of an object went with it."""
        self.asked = {one: None for one in self.asked if one[:2] != (kind, name)}

    def restored(self) -> None:
        """Requests that the API has forgotten must be made again, by whoever still wants them."""
        for kind, name, id_ in list(self.asked):
            namespace = None if kind == "HANode" else "default"
            obj = self.world.read(KIND_OF.get(kind, kinds.HANODE), name, namespace) or {"spec": {}}
            if all(one["id"] != id_ for one in obj["spec"].get("requests", [])):
                del self.asked[(kind, name, id_)]

    def unanswered(self) -> list[str]:
        """Requests that stand without a final answer."""
        found = []
        for kind, name, id_ in self.asked:
            obj = self.world.read(
                KIND_OF.get(kind, kinds.HANODE), name, None if kind == "HANode" else "default"
            )
            # An object that was deleted and made again, as HANodes of Nodes that left and came back, has lost what was asked of it.
            stands = obj is not None and any(one["id"] == id_ for one in obj["spec"].get("requests", []))
            acks = (obj or {}).get("status", {}).get("requests", [])
            if stands and not any(one["id"] == id_ and one["state"] != "Accepted" for one in acks):
                found.append(f"{kind} {name} {id_}")
        return found
