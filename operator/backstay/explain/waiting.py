"""Why an action waits for another, in a sentence: the cause was noted when the two were related."""

from backstay.explain.scene import Scene
from backstay.scheduler.causes import Cause, Why
from backstay.scheduler.situation import Resource
from backstay.state.choices import OrderKind
from backstay.state.constraint import Colocation, Order
from backstay.transition.graph import Action, ActionKind

_TEARS_DOWN = ("stop", "demote")

ONE_FOLLOWS = "the one follows the other"
"""Where there is nothing better to say; no known configuration comes to that."""

_FIXED = {
    Why.PROBE: "it has to be known first where things run",
    Why.CLEANUP: "failures are forgotten one thing after the other",
    Why.ROOM: "what leaves the node makes room (utilization)",
    Why.NOTIFY: "instances are told of what the others do (notify)",
    Why.MIGRATION: "a live migration goes step by step",
    Why.CONTAINER: "the one runs inside the other",
    Why.SHUTDOWN: "a node leaves when nothing runs there any more",
    Why.UNFENCING: "its fence device must let the node in first (unfencing)",
}


def why_after(first: Action, then: Action, cause: Cause, scene: Scene) -> str:
    """`cause` is what says most of the way from the first to the second."""
    if first.kind is ActionKind.FENCING and first.fencing_action == "on":
        return _FIXED[Why.UNFENCING]
    if first.kind is ActionKind.FENCING:
        return f"nothing may count on {first.node} being dead before it is"
    if "notify" in (first.operation, then.operation):
        return _FIXED[Why.NOTIFY]
    match cause.why:
        case Why.ORDER:
            return _order(cause.source, scene)
        case Why.ORDER_BACK:
            return f"{_order(cause.source, scene)}, and the other way round when they stop"
        case Why.APART:
            return _apart(cause.source, scene)
        case _ if first.resource == then.resource:
            return _same_resource(first, then)
        case Why.GROUP | Why.CLONE | Why.SAME:
            return _family(first, then, scene)
        case _:
            return _FIXED[cause.why]


def _order(identity: str, scene: Scene) -> str:
    match scene.constraints.get(identity):
        case Order(kind=OrderKind.SERIALIZE) as one:
            return f"order constraint {identity} lets {one.first} and {one.then} act one at a time"
        case Order() as one:
            return f"order constraint {identity} puts {one.first} before {one.then}"
        case _:
            return f"order constraint {identity} puts its sets one after the other"


def _apart(identity: str, scene: Scene) -> str:
    match scene.constraints.get(identity):
        case Colocation() as one:
            pair = f"{one.dependent} away from {one.primary}"
            return f"colocation constraint {identity} keeps {pair}: the one leaves before the other comes"
        case _:
            return f"colocation constraint {identity} keeps them apart: the one leaves before the other comes"


def _same_resource(first: Action, then: Action) -> str:
    if first.operation == "monitor" and not first.interval_ms:
        return "it has to be known first where it runs"
    if first.operation == "cancel" or then.operation == "cancel":
        return "monitors and roles are changed one after the other"
    if then.operation == "monitor":
        return "it is watched once it runs"
    if then.operation in ("delete", "lrm_delete"):
        return "its history is deleted once it has stopped"
    if first.operation in _TEARS_DOWN and then.operation not in _TEARS_DOWN:
        where = "here" if first.node == then.node else "there"
        return f"it must have ended {where} before it begins: it never runs twice"
    if then.operation == "promote":
        return "it is promoted once it runs"
    if first.operation == "demote":
        return "it is demoted before it stops"
    if "migrate" in first.operation or "migrate" in then.operation:
        return "a live migration goes step by step"
    return "one thing after the other"


def _family(first: Action, then: Action, scene: Scene) -> str:
    """Members of a group, instances of a clone, and groups in clones."""
    one, other = _resource(first, scene), _resource(then, scene)
    downwards = first.operation in _TEARS_DOWN
    if one is not None and other is not None:
        if one.parent is not None and one.parent is other.parent and one.parent is not one.clone:
            if downwards and then.operation not in _TEARS_DOWN:
                return f"group {one.parent.id} has stopped as far as it must before it starts again"
            return f"members of group {one.parent.id} {'stop in reverse order' if downwards else 'start in order'}"
        if one.clone is not None and one.clone is other.clone:
            clone = one.clone
            if downwards and then.operation not in _TEARS_DOWN:
                return f"what has to go of clone {clone.id} goes before anything of it comes"
            if clone.meta.raw.ordered:
                return f"instances of {clone.id} act one after the other (ordered)"
            return f"clone {clone.id} acts step by step"
    return ONE_FOLLOWS


def _resource(action: Action, scene: Scene) -> Resource | None:
    name = action.resource
    return None if name is None else scene.leaf(name) or scene.before.by_id.get(name)
