"""CIBs edited at random: one to three small edits of a CIB that is given, from a seed.

An edit is of the kind that clusters go through: a result is missing or another than it was, an operation is under way,
a node is lost, leaves, comes back, is put in standby or maintenance, an option or a meta attribute changes, a
constraint comes or goes. The same CIB and seed make the same edits on every machine.
"""

import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

Element = ET.Element
_STATES = {
    "up": {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"},
    "left": {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"},
    "lost": {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "member"},
}
_PENDING = {"rc-code": "193", "op-status": "-1"}
_CODES = ("0", "1", "5", "7", "8", "9")
_SCORES = ("INFINITY", "-INFINITY", "100", "-100")
_OPTIONS = (
    ("stonith-enabled", ("true", "false")),
    ("no-quorum-policy", ("stop", "freeze", "ignore")),
    ("maintenance-mode", ("true", "false")),
    ("start-failure-is-fatal", ("true", "false")),
    ("enable-startup-probes", ("true", "false")),
    ("stop-orphan-resources", ("true", "false")),
    ("symmetric-cluster", ("true", "false")),
)
_METAS = (
    ("target-role", ("Started", "Stopped", "Unpromoted")),
    ("is-managed", ("true", "false")),
    ("maintenance", ("true", "false")),
    ("resource-stickiness", ("0", "1", "INFINITY", "-100")),
    ("migration-threshold", ("1", "3")),
    ("failure-timeout", ("1", "3600")),
    ("critical", ("true", "false")),
    ("priority", ("10", "-5")),
    ("requires", ("fencing", "quorum", "nothing")),
)
_CLONE_METAS = (
    ("clone-max", ("1", "2", "3")),
    ("clone-node-max", ("1", "2")),
    ("interleave", ("true", "false")),
    ("ordered", ("true", "false")),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """An edited CIB, and what was edited."""

    cib: str
    edits: tuple[str, ...]


def mutant(cib: str, seed: str) -> Mutant:
    """The CIB with the edits of a seed."""
    dice = random.Random(seed)
    root = ET.fromstring(cib)
    edits: list[str] = []
    for _ in range(dice.randint(1, 3)):
        said = dice.choice(EDITS)(root, dice)
        if said:
            edits.append(said)
    return Mutant(ET.tostring(root, encoding="unicode"), tuple(edits))


# -- histories


def _histories(root: Element) -> list[Element]:
    return [one for one in root.iter("lrm_resource") if len(one)]


def _drop_result(root: Element, dice: random.Random) -> str:
    histories = _histories(root)
    if not histories:
        return ""
    history = dice.choice(histories)
    gone = dice.choice(list(history))
    history.remove(gone)
    return f"{history.get('id')} {gone.get('operation')} dropped"


def _drop_everywhere(root: Element, dice: random.Random) -> str:
    histories = _histories(root)
    if not histories:
        return ""
    name = dice.choice(histories).get("id")
    for history in histories:
        if history.get("id") == name:
            for one in list(history):
                history.remove(one)
    return f"{name} without history"


def _put_under_way(root: Element, dice: random.Random) -> str:
    results = [
        (history, one)
        for history in _histories(root)
        for one in history
        if one.get("operation")
        in ("start", "stop", "promote", "demote", "monitor", "migrate_to", "migrate_from")
    ]
    return "" if not results else _answer(*dice.choice(results), **_PENDING)


def _answer_otherwise(root: Element, dice: random.Random) -> str:
    histories = _histories(root)
    if not histories:
        return ""
    history = dice.choice(histories)
    return _answer(history, dice.choice(list(history)), **{"rc-code": dice.choice(_CODES), "op-status": "0"})


def _answer(history: Element, result: Element, **attributes: str) -> str:
    result.attrib.update(attributes)
    key = result.get("transition-key", "")
    if key:
        result.set("transition-magic", f"{result.get('op-status')}:{result.get('rc-code')};{key}")
    return f"{history.get('id')} {result.get('operation')} rc {result.get('rc-code')}"


# -- nodes


def _change_state(root: Element, dice: random.Random) -> str:
    states = [one for one in root.iter("node_state") if one.get("remote_node") is None]
    if not states:
        return ""
    node, state = dice.choice(states), dice.choice(sorted(_STATES))
    node.attrib.update(_STATES[state])
    return f"{node.get('uname')} {state}"


def _lay_off(root: Element, dice: random.Random) -> str:
    nodes = list(root.iterfind("configuration/nodes/node"))
    if not nodes:
        return ""
    node, (name, value) = dice.choice(nodes), dice.choice((("standby", "on"), ("maintenance", "true")))
    _set_pair(node, "instance_attributes", name, value)
    return f"{node.get('uname')} {name}"


# -- options and meta attributes


def _set_pair(owner: Element, block: str, name: str, value: str) -> None:
    found = owner.find(block)
    if found is None:
        found = ET.Element(block, {"id": f"mutant-{owner.get('id')}-{block}"})
        owner.insert(0, found)
    pair = next((one for one in found.iter("nvpair") if one.get("name") == name), None)
    if pair is None:
        pair = ET.SubElement(found, "nvpair", {"id": f"mutant-{owner.get('id')}-{name}", "name": name})
    pair.set("value", value)


def _set_option(root: Element, dice: random.Random) -> str:
    if dice.random() < 0.2:
        quorum = dice.choice(("0", "1"))
        root.set("have-quorum", quorum)
        return f"have-quorum={quorum}"
    options = root.find("configuration/crm_config")
    if options is None:
        return ""
    name, values = dice.choice(_OPTIONS)
    value = dice.choice(values)
    _set_pair(options, "cluster_property_set", name, value)
    return f"{name}={value}"


def _set_meta(root: Element, dice: random.Random) -> str:
    resources = [
        one
        for tag in ("primitive", "group", "clone")
        for one in root.iterfind(f"configuration/resources//{tag}")
    ]
    if not resources:
        return ""
    resource = dice.choice(resources)
    name, values = dice.choice(_METAS + (_CLONE_METAS if resource.tag == "clone" else ()))
    value = dice.choice(values)
    _set_pair(resource, "meta_attributes", name, value)
    return f"{resource.get('id')} {name}={value}"


# -- constraints


def _names(root: Element) -> list[str]:
    return [one.get("id") or "" for one in root.iterfind("configuration/resources/*")]


def _constraints(root: Element) -> Element | None:
    return root.find("configuration/constraints")


def _drop_constraint(root: Element, dice: random.Random) -> str:
    constraints = _constraints(root)
    if constraints is None or not len(constraints):
        return ""
    gone = dice.choice(list(constraints))
    constraints.remove(gone)
    return f"{gone.get('id')} removed"


def _add_constraint(root: Element, dice: random.Random) -> str:
    constraints, names = _constraints(root), _names(root)
    if constraints is None or len(names) < 2:
        return ""
    one, other = dice.sample(names, 2)
    nodes = [node.get("uname") or "" for node in root.iterfind("configuration/nodes/node")]
    made = dice.choice(
        (
            ("rsc_location", {"rsc": one, "node": dice.choice(nodes or [""]), "score": dice.choice(_SCORES)}),
            ("rsc_colocation", {"rsc": one, "with-rsc": other, "score": dice.choice(_SCORES)}),
            ("rsc_order", {"first": one, "then": other, "kind": dice.choice(("Mandatory", "Optional"))}),
        )
    )
    ET.SubElement(constraints, made[0], {"id": "mutant-constraint", **made[1]})
    return f"{made[0]} {made[1]}"


def _turn_constraint(root: Element, dice: random.Random) -> str:
    constraints = _constraints(root)
    orders = (
        []
        if constraints is None
        else [one for one in constraints if one.tag == "rsc_order" and one.get("first")]
    )
    if not orders:
        return ""
    order = dice.choice(orders)
    order.attrib.pop("score", None)
    order.set("kind", dice.choice(("Mandatory", "Optional", "Serialize")))
    return f"{order.get('id')} {order.get('kind')}"


EDITS: tuple[Callable[[Element, random.Random], str], ...] = (
    _drop_result, _drop_everywhere, _put_under_way, _put_under_way, _answer_otherwise, _change_state, _change_state,
    _lay_off, _set_option, _set_meta, _drop_constraint, _add_constraint, _turn_constraint,
)  # fmt: skip
"""Every edit; those listed twice are made twice as often. Each says what it did, or nothing if it found nothing to edit."""
