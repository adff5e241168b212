"""Random valid CIBs, each from a seed: the same seed makes the same CIB on every machine.

Made to be small and to meet: few nodes, few resources, many constraints between them, and histories in which things
run, fail, run twice or were never looked for. Nothing is used that Debian's crm_simulate reads differently for reasons
of its age (see `oracle.VERSION_DIFFERENCES`).
"""

import random
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from backstay.state.digest import params_digest

Element = ET.Element
_NO_PARAMS = params_digest({})
_MONITOR = params_digest({"CRM_meta_timeout": "20000"})
_THEN = "1700000000"
_UP = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
_LEFT = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
_LOST = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "member"}
SCORES = ("INFINITY", "INFINITY", "-INFINITY", "100", "-100", "5000")


@dataclass(slots=True)
class Thing:
    """A resource as the generator remembers it."""

    id: str
    kind: str  # primitive, group, clone
    leaves: list[str]
    promotable: bool = False
    monitors: dict[str, list[tuple[int, str | None]]] = field(
        default_factory=dict
    )  # leaf -> (interval, role)


def random_cib(seed: int) -> str:
    """The CIB of a seed."""
    return ET.tostring(_Maker(random.Random(seed)).cib(), encoding="unicode")


def _sub(parent: Element, tag: str, **attributes: str) -> Element:
    return ET.SubElement(parent, tag, {name.replace("_", "-"): value for name, value in attributes.items()})


def _pairs(parent: Element, tag: str, owner: str, values: dict[str, str]) -> None:
    if values:
        block = _sub(parent, tag, id=f"{owner}-{tag}")
        for name, value in values.items():
            _sub(block, "nvpair", id=f"{owner}-{tag}-{name}", name=name, value=value)


class _Maker:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.things: list[Thing] = []
        self.nodes = [f"n{number}" for number in range(1, dice.randint(2, 4) + 1)]
        self.fencing = dice.random() < 0.4
        self.numbers = iter(range(1, 10_000))

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    def cib(self) -> Element:
        root = ET.Element("cib", {
            "crm_feature_set": "3.16.1", "validate-with": "pacemaker-3.9", "epoch": "1", "num_updates": "0",
            "admin_epoch": "0", "have-quorum": "0" if self.chance(0.08) else "1", "dc-uuid": "1",
        })  # fmt: skip
        configuration = _sub(root, "configuration")
        crm_config = _sub(configuration, "crm_config")
        _pairs(crm_config, "cluster_property_set", "cib", self._properties())
        nodes = _sub(configuration, "nodes")
        resources = _sub(configuration, "resources")
        if self.fencing:
            ET.SubElement(resources, "primitive", {"id": "Fencing", "class": "stonith", "type": "fence_xvm"})
        for name in "abcde"[: self.dice.randint(1, 5)]:
            self._resource(resources, name)
        constraints = _sub(configuration, "constraints")
        for _ in range(self.dice.choice((0, 0, 1, 1, 2, 2, 3, 4))):
            self._constraint(constraints)
        status = _sub(root, "status")
        for number, name in enumerate(self.nodes, start=1):
            self._node(nodes, status, str(number), name)
        return root

    def _properties(self) -> dict[str, str]:
        values = {"stonith-enabled": "true" if self.fencing else "false"}
        if self.fencing:
            values["concurrent-fencing"] = "true"  # the default of today
        values["no-quorum-policy"] = self.dice.choice(("stop", "ignore", "freeze"))
        if self.chance(0.08):
            values["symmetric-cluster"] = "false"
        if self.chance(0.03):
            values["stop-all-resources"] = "true"
        if self.chance(0.03):
            values["maintenance-mode"] = "true"
        return values

    # -- resources

    def _resource(self, parent: Element, name: str) -> None:
        kind = self.dice.choice(
            ("primitive", "primitive", "group", "clone", "clone", "promotable", "group-clone")
        )
        thing = Thing(id=name, kind=kind, leaves=[])
        self.things.append(thing)
        if kind == "primitive":
            self._primitive(parent, thing, name)
        elif kind == "group":
            self._group(parent, thing, name)
        else:
            self._clone(parent, thing)

    def _clone(self, parent: Element, thing: Thing) -> None:
        inner, name = thing.kind, thing.id
        thing.kind, thing.id = "clone", f"{name}-clone"
        thing.promotable = inner == "promotable"
        clone = _sub(parent, "clone", id=thing.id)
        if inner == "group-clone":
            self._group(clone, thing, name)
        else:
            self._primitive(clone, thing, name)
        meta = {"promotable": "true"} if thing.promotable else {}
        for option, probability in (("interleave", 0.4), ("ordered", 0.1), ("notify", 0.2)):
            if self.chance(probability):
                meta[option] = "true"
        if self.chance(0.3):
            meta["clone-max"] = str(self.dice.randint(1, 3))
        if self.chance(0.08):
            meta["target-role"] = self.dice.choice(("Stopped", "Started"))
        _pairs(clone, "meta_attributes", thing.id, meta)

    def _group(self, parent: Element, thing: Thing, name: str) -> None:
        group = _sub(parent, "group", id=f"{name}-group" if thing.kind == "clone" else thing.id)
        for number in range(1, self.dice.randint(2, 3) + 1):
            self._primitive(group, thing, f"{name}{number}")

    def _primitive(self, parent: Element, thing: Thing, name: str) -> None:
        thing.leaves.append(name)
        primitive = ET.SubElement(
            parent, "primitive", {"id": name, "class": "ocf", "provider": "pacemaker", "type": "Stateful"}
        )
        _pairs(primitive, "meta_attributes", name, self._meta())
        monitors: list[tuple[int, str | None]] = []
        if self.chance(0.4):
            monitors = [(10, None), (9, "Promoted")] if thing.promotable else [(10, None)]
        thing.monitors[name] = monitors
        operations = _sub(primitive, "operations") if monitors else primitive
        for interval, role in monitors:
            operation = _sub(
                operations, "op", id=f"{name}-monitor-{interval}", name="monitor", interval=f"{interval}s"
            )
            if role:
                operation.set("role", role)
            if self.chance(0.2):
                operation.set("on-fail", self.dice.choice(("ignore", "block", "stop", "restart", "standby")))

    def _meta(self) -> dict[str, str]:
        meta: dict[str, str] = {}
        for option, probability, values in (
            ("resource-stickiness", 0.2, ("0", "50", "INFINITY")),
            ("target-role", 0.08, ("Stopped", "Stopped", "Started")),
            ("is-managed", 0.05, ("false",)),
            ("migration-threshold", 0.15, ("1", "2")),
            ("priority", 0.1, ("5", "10")),
            ("multiple-active", 0.05, ("stop_only", "block")),
            ("requires", 0.08, ("nothing", "quorum", "fencing")),
        ):
            if self.chance(probability):
                meta[option] = self.dice.choice(values)
        return meta

    # -- constraints

    def _constraint(self, parent: Element) -> None:
        identity = f"k{next(self.numbers)}"
        kind = self.dice.choice(("location", "location", "colocation", "colocation", "order", "order"))
        if kind == "location" or len(self.things) < 2:
            location = _sub(parent, "rsc_location", id=identity, rsc=self.dice.choice(self.things).id)
            location.set("node", self.dice.choice(self.nodes))
            location.set("score", self.dice.choice(SCORES))
            return
        first, then = self.dice.sample(self.things, 2)
        if kind == "colocation":
            colocation = _sub(parent, "rsc_colocation", id=identity, rsc=first.id)
            colocation.set("with-rsc", then.id)
            colocation.set("score", self.dice.choice(SCORES))
            for thing, attribute in ((first, "rsc-role"), (then, "with-rsc-role")):
                if thing.promotable and self.chance(0.6):
                    colocation.set(attribute, "Promoted")
            return
        order = _sub(parent, "rsc_order", id=identity, first=first.id, then=then.id)
        order.set("kind", self.dice.choice(("Mandatory", "Mandatory", "Mandatory", "Optional")))
        for thing, attribute in ((first, "first-action"), (then, "then-action")):
            if thing.promotable and self.chance(0.6):
                order.set(attribute, "promote")
        if order.get("first-action") and not order.get("then-action"):
            order.set("then-action", "start")
        if self.chance(0.1):
            order.set("symmetrical", "false")

    # -- nodes and what they did

    def _node(self, nodes: Element, status: Element, identity: str, name: str) -> None:
        node = _sub(nodes, "node", id=identity, uname=name)
        values = {}
        for option, probability in (("standby", 0.08), ("maintenance", 0.03)):
            if self.chance(probability):
                values[option] = "on" if option == "standby" else "true"
        for thing in self.things:
            if thing.promotable and self.chance(0.6):
                values[f"master-{thing.leaves[0]}"] = self.dice.choice(("5", "10", "100", "-INFINITY"))
        _pairs(node, "instance_attributes", f"node-{name}", values)
        standing = self.dice.choices((_UP, _LEFT, _LOST), weights=(85, 8, 7))[0]
        state = ET.SubElement(status, "node_state", {"id": identity, "uname": name, **standing})
        if standing is _LEFT:
            return
        resources = _sub(_sub(state, "lrm", id=identity), "lrm_resources")
        counts: dict[str, str] = {}
        if self.fencing:
            self._fencer(resources, running=identity == "1")
        for thing in self.things:
            self._history(resources, thing, name, counts)
        if counts:
            transient = _sub(state, "transient_attributes", id=identity)
            _pairs(transient, "instance_attributes", f"status-{name}", counts)

    def _fencer(self, parent: Element, *, running: bool) -> None:
        resource = ET.SubElement(
            parent, "lrm_resource", {"id": "Fencing", "class": "stonith", "type": "fence_xvm"}
        )
        if running:
            self._ran(resource, "Fencing", "start", rc=0)
        else:
            self._ran(resource, "Fencing", "monitor", rc=7, target=7)

    def _history(self, parent: Element, thing: Thing, node: str, counts: dict[str, str]) -> None:
        likely = 0.6 if thing.kind == "clone" else 1 / len(self.nodes)
        running = self.chance(likely)
        promoted = running and thing.promotable and self.chance(0.4)
        for name in thing.leaves:
            if self.chance(0.04):
                continue  # never looked for
            resource = ET.SubElement(
                parent,
                "lrm_resource",
                {"id": name, "class": "ocf", "provider": "pacemaker", "type": "Stateful"},
            )
            if not running or self.chance(0.05):
                self._ran(resource, name, "monitor", rc=7, target=7)
                continue
            self._ran(resource, name, "promote" if promoted else "start", rc=0)
            self._watched(resource, thing, name, promoted=promoted, counts=counts)
            if self.chance(0.03):
                self._ran(resource, name, "stop", rc=1, target=0)
                self._count(counts, name, "stop", 0, "INFINITY")

    def _watched(
        self, parent: Element, thing: Thing, name: str, *, promoted: bool, counts: dict[str, str]
    ) -> None:
        for interval, role in thing.monitors[name]:
            if thing.promotable and promoted is not (role == "Promoted"):
                continue
            good = 8 if promoted else 0
            failed = self.chance(0.12)
            rc = self.dice.choice((1, 7)) if failed else good
            self._ran(parent, name, "monitor", rc=rc, target=good, interval_ms=interval * 1000)
            if failed:
                self._count(
                    counts, name, "monitor", interval * 1000, self.dice.choice(("1", "2", "INFINITY"))
                )

    def _count(self, counts: dict[str, str], name: str, operation: str, interval_ms: int, count: str) -> None:
        counts[f"fail-count-{name}#{operation}_{interval_ms}"] = count
        counts[f"last-failure-{name}#{operation}_{interval_ms}"] = _THEN

    def _ran(
        self,
        parent: Element,
        name: str,
        operation: str,
        *,
        rc: int,
        target: int | None = None,
        interval_ms: int = 0,
    ) -> None:
        call, expected = next(self.numbers), rc if target is None else target
        key = f"{call}:1:{expected}:aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
        identity = f"{name}_{operation}_{interval_ms}" if interval_ms else f"{name}_last_0"
        for older in parent.findall("lrm_rsc_op"):
            if older.get("id") == identity:
                parent.remove(older)
        ET.SubElement(parent, "lrm_rsc_op", {
            "id": identity, "operation_key": f"{name}_{operation}_{interval_ms}", "operation": operation,
            "crm_feature_set": "3.16.1", "transition-key": key, "transition-magic": f"0:{rc};{key}",
            "call-id": str(call), "rc-code": str(rc), "op-status": "0", "interval": str(interval_ms),
            "op-digest": _MONITOR if interval_ms else _NO_PARAMS, "last-rc-change": _THEN,
            "exec-time": "0", "queue-time": "0",
        })  # fmt: skip
