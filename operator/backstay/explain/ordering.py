"""Why an action is done, and why it waits for another: each edge of the graph led back to what asked for it.

Marks (pseudo actions) are looked through: what is told of is what really happens before.
"""

from backstay.explain.model import ActionReason, TransitionReasons
from backstay.explain.scene import Scene, scene_of
from backstay.scheduler.situation import Kind, Resource
from backstay.scheduler.transition import Change, Verb
from backstay.state.choices import OrderKind
from backstay.state.cluster import ClusterState
from backstay.state.constraint import Order, OrderSet
from backstay.transition.graph import Action, ActionKind

_TEARS_DOWN = ("stop", "demote")
_WATCHES = "monitor"


def explain_actions(state: ClusterState) -> TransitionReasons:
    """The whole transition."""
    scene = scene_of(state)
    return TransitionReasons(
        summary=tuple(_change_words(one) for one in scene.transition.changes),
        actions=reasons_of(scene),
    )


def reasons_of(scene: Scene) -> tuple[ActionReason, ...]:
    """Everything that really happens, in the order of the graph."""
    actions = scene.transition.graph.actions
    changes = {one.resource: one for one in scene.transition.changes if one.resource}
    found = []
    for action in _in_order(actions):
        if action.kind is ActionKind.PSEUDO:
            continue
        by_reason: dict[str, list[str]] = {}
        for first in _real_inputs(action, actions):
            by_reason.setdefault(_why_after(first, action, scene), []).append(_name(first))
        after = [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        found.append(
            ActionReason(
                action=_name(action),
                node=action.node or "",
                resource=action.resource or "",
                because=_because(action, changes.get(action.resource or ""), scene),
                after=tuple(after),
            )
        )
    return tuple(found)


def _in_order(actions: tuple[Action, ...]) -> list[Action]:
    """Each action behind what it waits for; else in the graph's order."""
    done: set[int] = set()
    found: list[Action] = []
    waiting = list(actions)
    while waiting:
        ready = [one for one in waiting if done.issuperset(one.inputs)]
        assert ready, "a graph has no cycles"
        found += ready
        done |= {one.id for one in ready}
        waiting = [one for one in waiting if one.id not in done]
    return found


def _real_inputs(action: Action, actions: tuple[Action, ...]) -> list[Action]:
    seen: set[int] = set()
    stack = list(reversed(action.inputs))
    found = []
    while stack:
        one = stack.pop()
        if one in seen:
            continue
        seen.add(one)
        if actions[one].kind is ActionKind.PSEUDO and not actions[one].after_node_down:
            stack += reversed(actions[one].inputs)
        else:
            found.append(actions[one])
    return found


def _name(action: Action) -> str:
    if action.kind is ActionKind.FENCING:
        return f"fence {action.node} ({action.fencing_action})"
    probe = action.operation == "monitor" and not action.interval_ms
    operation = "probe" if probe else action.operation.replace("_", " ")
    every = f" every {action.interval_ms / 1000:g} s" if action.interval_ms else ""
    return (
        " ".join(word for word in (operation, action.resource or "", "on", action.node or "") if word) + every
    )


def _because(action: Action, change: Change | None, scene: Scene) -> str:
    if action.kind is ActionKind.FENCING:
        fence = next(
            (
                one
                for one in scene.transition.changes
                if one.verb is Verb.FENCE and one.to_node == action.node
            ),
            None,
        )
        return fence.reason if fence is not None else ""
    match action.operation:
        case "monitor" if not action.interval_ms:
            return "nobody knows yet whether it runs there"
        case "monitor":
            return "it is watched there from then on"
        case "cancel":
            return "this monitor is not wanted any more"
        case "clear_failcount":
            return "its failures have expired, or its definition has changed"
        case "do_shutdown":
            return "the node asked to leave"
        case "delete" | "lrm_delete":
            return "its history there is of no use any more"
        case _:
            return "" if change is None else _change_words(change)


def _change_words(change: Change) -> str:
    because = f" due to {change.reason}" if change.reason else ""
    if change.verb is Verb.FENCE:
        return f"Fence {change.to_node}{because}"
    here, there = change.from_node, change.to_node
    place = f"{here} -> {there}" if here and there and here != there else there or here or ""
    role = _role_words(change)
    return f"{change.verb.value} {change.resource} ({place}{role}){because}"


def _role_words(change: Change) -> str:
    if change.verb not in (Verb.PROMOTE, Verb.DEMOTE) or change.from_role is None or change.to_role is None:
        return ""
    return f" {change.from_role.value} -> {change.to_role.value}"


def _why_after(first: Action, then: Action, scene: Scene) -> str:
    if first.kind is ActionKind.FENCING:
        return f"nothing may count on {first.node} being dead before it is"
    if first.resource == then.resource:
        return _same_resource(first, then)
    if first.operation == "monitor" and not first.interval_ms:
        return "it has to be known first where things run"
    one, other = _resource(first, scene), _resource(then, scene)
    if one is not None and other is not None:
        group = one.parent
        constraint = "" if group is not None and group is other.parent else _order_between(one, other, scene)
        if constraint:
            return constraint
        if one.parent is not None and one.parent is other.parent and one.parent.kind is Kind.GROUP:
            upwards = first.operation not in _TEARS_DOWN
            return (
                f"members of group {one.parent.id} {'start in order' if upwards else 'stop in reverse order'}"
            )
        if one.clone is not None and one.clone is other.clone:
            return f"instances of {one.clone.id} act in turn, or together"
        if one.base_id == other.base_id:
            return "they are instances of one resource"
    if first.operation in _TEARS_DOWN and then.operation not in _TEARS_DOWN:
        return "what goes makes way, or room, for what comes"
    if then.operation == "do_shutdown":
        return "a node leaves when nothing runs there any more"
    return "the two are placed together, and the one follows the other's fate"


def _same_resource(first: Action, then: Action) -> str:
    if first.operation == "monitor" and not first.interval_ms:
        return "it has to be known first where it runs"
    if first.operation == "cancel" or then.operation == "cancel":
        return "monitors and roles are changed one after the other"
    if then.operation == "monitor":
        return "it is watched once it runs"
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


def _resource(action: Action, scene: Scene) -> Resource | None:
    return (
        None
        if action.resource is None
        else scene.leaf(action.resource) or scene.before.by_id.get(action.resource)
    )


def _order_between(one: Resource, other: Resource, scene: Scene) -> str:
    first_names, then_names = _names(one), _names(other)
    for constraint in scene.state.constraints:
        match constraint:
            case Order() if constraint.first in first_names and constraint.then in then_names:
                return _order_words(constraint.id, constraint.kind, constraint.first, constraint.then)
            case Order() if constraint.first in then_names and constraint.then in first_names:
                words = _order_words(constraint.id, constraint.kind, constraint.first, constraint.then)
                return f"{words}, and the other way round when they stop"
            case OrderSet():
                members = {name for group in constraint.sets for name in group.members}
                if members & first_names and members & then_names:
                    return f"order constraint {constraint.id} puts its sets one after the other"
            case _:
                continue
    return ""


def _order_words(identity: str, kind: OrderKind, first: str, then: str) -> str:
    if kind is OrderKind.SERIALIZE:
        return f"order constraint {identity} lets {first} and {then} act one at a time"
    return f"order constraint {identity} puts {first} before {then}"


def _names(resource: Resource) -> set[str]:
    names = set()
    one: Resource | None = resource
    while one is not None:
        names.add(one.base_id)
        one = one.parent
    return names
