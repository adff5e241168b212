"""Why an action is done, and what it waits for: each edge of the graph led back to what asked for it.

Marks (pseudo actions) are looked through: what is told of is what really happens before.
"""

from backstay.explain.model import ActionReason, TransitionReasons
from backstay.explain.scene import Scene, scene_of
from backstay.explain.waiting import why_after
from backstay.scheduler.causes import Cause
from backstay.scheduler.transition import Change, Verb
from backstay.state.cluster import ClusterState
from backstay.transition.graph import Action, ActionKind


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
    causes = {(tie.first, tie.then): tie.causes for tie in scene.transition.ties}
    found = []
    for action in _in_order(actions):
        if action.kind is ActionKind.PSEUDO:
            continue
        by_reason: dict[str, list[str]] = {}
        for first, cause in _real_inputs(action, actions, causes):
            by_reason.setdefault(why_after(first, action, cause, scene), []).append(_name(first))
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


Causes = dict[tuple[int, int], tuple[Cause, ...]]
"""(first, then) -> why."""


def _real_inputs(action: Action, actions: tuple[Action, ...], causes: Causes) -> list[tuple[Action, Cause]]:
    """What an action waits for, marks looked through, with what says most of all that lies between."""
    best: dict[int, Cause] = {}
    stack: list[tuple[int, int, Cause | None]] = [(one, action.id, None) for one in reversed(action.inputs)]
    while stack:
        one, then, so_far = stack.pop()
        cause = max((*causes[one, then], *((so_far,) if so_far else ())), key=lambda found: found.why)
        if one in best and best[one].why >= cause.why:
            continue
        best[one] = cause
        if _is_mark(actions[one]):
            stack += [(before, one, cause) for before in reversed(actions[one].inputs)]
    return [(actions[one], cause) for one, cause in best.items() if not _is_mark(actions[one])]


def _is_mark(action: Action) -> bool:
    return action.kind is ActionKind.PSEUDO and not action.after_node_down


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
