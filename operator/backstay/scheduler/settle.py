"""Work out which actions are required and which can run, by letting relations act until nothing changes.

Both only ever grow: an optional action may become required, a runnable one impossible, never back. So this
ends, and the order in which relations are looked at is the order in which actions were made.
"""

from collections import deque

from backstay.scheduler.actions import Act, ActionSet, Bond, Relation
from backstay.scheduler.migrate import is_held_up
from backstay.transition.graph import ActionKind

_NEEDS, _PULLS_THEN, _PULLS_FIRST = Bond.NEEDS.value, Bond.PULLS_THEN.value, Bond.PULLS_FIRST.value
_RESTART, _PAIR, _NEW_ONLY, _SILENT = (
    Bond.RESTART.value,
    Bond.PAIR.value,
    Bond.NEW_ONLY.value,
    Bond.SILENT.value,
)


def settle(actions: ActionSet) -> None:
    """Let every relation act until nothing changes."""
    _announce(actions)
    # Fencing first: where it is one of several causes it is the one to be told.
    _settle_from(sorted(actions.acts, key=lambda act: act.kind is not ActionKind.FENCING))
    handings = [act.handing for act in actions.acts if act.handing is not None and act is act.handing.stop]
    while unfit := [one for one in handings if one.on and is_held_up(one, actions)]:
        for one in unfit:
            one.on = False
        _settle_from([act for one in unfit for act in (one.stop, one.start)])


def _settle_from(acts: list[Act]) -> None:
    queue, queued = deque(acts), set(acts)
    while queue:
        act = queue.popleft()
        queued.discard(act)
        for relation in (*act.after, *act.before):
            for changed in _act_on(relation):
                if changed not in queued:
                    queued.add(changed)
                    queue.append(changed)


def _announce(actions: ActionSet) -> None:
    """Let what is required pull the marks that begin it, before it is known whether it can happen after all: a group or
    clone whose members turn out to be held up has still begun."""
    pulling = [
        act for act in actions.acts if act.required and (act.runnable or act.obstacle) and not _is_doomed(act)
    ]
    while pulling:
        for relation in pulling.pop().before:
            first = relation.first
            if relation.bits & _PULLS_FIRST and first.pseudo and not (first.required or first.inhibited):
                first.required = first.announced = True
                first.reason = f"required {_spoken(relation.then)}"
                pulling.append(first)


def _is_doomed(act: Act) -> bool:
    """Whether it, or what comes before it on the same instance, needs something that was never going to happen."""
    return any(
        one.bits & _NEEDS
        and (one.first.placeholder or (one.first.resource is act.resource and _is_doomed(one.first)))
        for one in act.before
    )


def _act_on(relation: Relation) -> list[Act]:
    first, then, bits = relation.first, relation.then, relation.bits
    if bits & _RESTART:
        return _restart(first, then)
    changed: list[Act] = []
    if then.inhibited:
        return []
    follows = bits & _PAIR or (bits & _NEEDS and first.resource is then.resource)
    if follows and (first.inhibited or (bits & _PAIR and first.placeholder)):
        then.inhibited = True
        then.required = then.runnable = False
        return [then]
    if bits & _NEEDS and _stands_in_the_way(first, then, bits):
        _make_impossible(then, first, bits)
        changed.append(then)
    if (
        bits & _PULLS_THEN
        and first.required
        and first.runnable
        and not then.required
        and not _goes_unnoticed(first, then)
    ):
        then.required = then.pulled = True
        then.reason = then.reason or f"required {_spoken(first)}"
        changed.append(then)
    if (
        bits & _PULLS_FIRST
        and then.required
        and then.runnable
        and not (first.required or first.inhibited)
        and not _goes_unnoticed(then, first)
    ):
        first.required = True
        first.reason = first.reason or f"required {_spoken(then)}"
        changed.append(first)
    return changed


def _goes_unnoticed(act: Act, other: Act) -> bool:
    """Whether what is handed over alive pulls nothing else along. Its own group and clone do take note."""
    if not act.handed_over or other.resource is None or act.resource is None:
        return False
    return not other.resource.holds(act.resource)


def _stands_in_the_way(first: Act, then: Act, bits: int) -> bool:
    if not then.runnable or not (
        _is_mark(then) if first.inhibited else first.required and not first.runnable
    ):
        return False
    if then.needs_any and _able(then) >= then.needs_any:
        return False
    return not bits & _NEW_ONLY or then.required


def _able(act: Act) -> int:
    """How many of the acts that this one needs can happen, or have happened already."""
    return sum(
        1
        for relation in act.before
        if relation.bits & _NEEDS
        and not relation.first.inhibited
        and (relation.first.runnable or not relation.first.required)
    )


def _is_mark(act: Act) -> bool:
    """Whether it tells that something runs, which nothing does that is left out."""
    return act.pseudo and act.operation in ("running", "promoted")


def _make_impossible(then: Act, first: Act, bits: int) -> None:
    then.runnable = False
    if bits & _SILENT:
        then.barred = True
        then.reason = f"colocation with {first.resource.id if first.resource else ''}"
    else:
        then.reason = "" if first.operation == "monitor" else f"unrunnable {_spoken(first)}"
    # A mark that can not be reached, or a start that would fail, stands in the way of what waits for it in turn;
    # what is running must then be stopped.
    if then.pseudo or (then.interval_ms == 0 and then.operation in ("start", "promote")):
        then.required = True


def _restart(stop: Act, start: Act) -> list[Act]:
    """Stop and start on the same node go together; if the start is impossible the stop stays."""
    changed: list[Act] = []
    if (start.required or start.inhibited) and not stop.required:
        stop.required = True
        stop.reason = start.reason
        changed.append(stop)
    if stop.required and not start.required and not start.inhibited:
        start.required = True
        start.reason = start.reason or stop.reason
        changed.append(start)
    if stop.required and not stop.runnable and start.runnable:
        start.runnable = False
        start.reason = f"unrunnable {_spoken(stop)}"
        changed.append(start)
    return changed


def _spoken(act: Act) -> str:
    if act.kind is ActionKind.FENCING and act.fencing_action == "on":
        return act.operation
    if act.kind is ActionKind.FENCING:
        return f"{act.node.name if act.node else ''} fencing"
    return act.name
