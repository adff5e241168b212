"""What live migrations left behind: where a resource is when its hand-over was not seen to the end.

A hand-over is `migrate_to` on the source, then `migrate_from` on the target, then a stop on the source that only
cleans up. Each is recorded by its own node, so that the two histories have to be read together:

- arrived (`migrate_from` succeeded): it is on the target; a source without a later stop still needs that stop.
- arrived badly (`migrate_from` failed): it may be on both, and both have failed.
- left only: it may be on both. While the target is where it belongs the hand-over goes on, else both are stopped.
- left, and the source was stopped since: it is on the target, which nobody confirmed, so it is restarted there.
- left badly (`migrate_to` failed): it may be on both, and both have failed; if the source was stopped since, it is
  taken to be on the target, stopped, and started there again.
- the target is away: whatever left is lost, and the source has failed.

A target counts as having it only if its history knows the resource (else it is probed) and says nothing newer. Times
and transition numbers tell what is newer between nodes; call ids only count on one node.
"""

from backstay.numerals import whole
from backstay.scheduler.situation import Activity, Handover, NodeView, Resource, Situation
from backstay.scheduler.verdicts import absence
from backstay.state.choices import OnFail, OpStatus, Role
from backstay.state.history import OpRecord


def settle_handovers(situation: Situation, leaf: Resource) -> list[Activity]:
    """Correct what the nodes' own histories say of a primitive. Returns those that say something, in the order in which the
    places where it is active are to be named: those found first, with what they imply before them."""
    order: list[Activity] = []
    if not any(one.left is not None or one.arrived is not None for one in leaf.noted):
        return leaf.noted
    for activity in leaf.noted:
        if activity.left is not None and activity.role is not Role.UNKNOWN:
            order += _implied(situation, leaf, activity, activity.left)
        elif activity.arrived is not None and activity.failed:
            source = leaf.activities.get(activity.arrived.migrate_source or "")
            order += [source] if source is not None and source.left is not None else []
        order.append(activity)
    return list(dict.fromkeys(order))


def _implied(situation: Situation, leaf: Resource, here: Activity, left: OpRecord) -> list[Activity]:
    """What a source's `migrate_to` means for itself and its target. The target, if it is to be named first."""
    target = situation.node_by_name.get(left.migrate_target or "")
    if target is None or left.status is OpStatus.PENDING or not _counts(situation, here.node):
        return []
    there = leaf.activities.get(target.name)
    if there is None and target.name in leaf.absent:
        there = leaf.activities[target.name] = absence(target, leaf.absent.pop(target.name))
    arrived = None if there is None else there.arrived
    if arrived is not None and arrived.migrate_source != here.node.name:
        arrived = None
    succeeded = left.rc == 0
    if arrived is not None and arrived.rc == 0 and succeeded:
        _arrived(leaf, here)
        return []
    if arrived is not None and there is not None:
        if succeeded and not here.stopped_since:
            _fail(here)
        return [there] if there.active and not here.stopping_since else []
    if there is not None and _is_arriving(there) and (here.stopped_since or here.stopping_since):
        if here.stopping_since:
            here.role = Role.STARTED  # each says what it says
        return []
    if not target.online or target.unclean:
        if succeeded and not here.stopped_since:
            _fail(here)
        return []
    if there is None or not _knows(there) or _newer(there, left):
        if succeeded and not here.stopped_since and not here.active:
            here.role = Role.STARTED
        return []
    _on_both(leaf, here, there, succeeded=succeeded)
    return [there]


def _counts(situation: Situation, node: NodeView) -> bool:
    return node.online or (node.unclean and situation.properties.fencing_enabled)


def _arrived(leaf: Resource, here: Activity) -> None:
    if here.stopping_since:
        here.role = Role.STARTED  # what is left there may be more than something to clean up
    elif not here.stopped_since and not here.stop_failed:
        here.role = Role.STOPPED
        leaf.dangling.append(here.node)


def _fail(activity: Activity) -> None:
    activity.role = Role.STARTED
    if activity.stopping_since:
        return
    if not activity.node.unclean:
        activity.failed = True
        activity.on_fail = activity.on_fail or OnFail.RESTART


def _on_both(leaf: Resource, here: Activity, there: Activity, *, succeeded: bool) -> None:
    confirmed = there.active
    there.role = Role.STARTED
    if succeeded and not here.stopped_since:
        here.role = Role.STARTED
    if confirmed:
        return
    if succeeded:
        if not here.failed:
            leaf.handover = Handover(source=None if here.stopped_since else here.node, target=there.node)
    elif here.stopped_since:
        leaf.handover = Handover(source=None, target=there.node, rumour=True)


def _knows(activity: Activity) -> bool:
    return any(record.status is not OpStatus.PENDING for record in activity.records)


def _is_arriving(there: Activity) -> bool:
    return any(one.operation == "migrate_from" and one.status is OpStatus.PENDING for one in there.records)


def _newer(there: Activity, left: OpRecord) -> bool:
    return any(_is_newer(record, left) for record in there.records if record.status is not OpStatus.PENDING)


def _is_newer(record: OpRecord, than: OpRecord) -> bool:
    """Whether a record of another node is known to be newer."""
    if record.last_rc_change is not None and than.last_rc_change is not None:
        if record.last_rc_change != than.last_rc_change:
            return record.last_rc_change > than.last_rc_change
    elif record.last_rc_change is not None or than.last_rc_change is not None:
        return False
    mine, other = _transition(record), _transition(than)
    return mine is not None and other is not None and mine[1] == other[1] and mine[0] > other[0]


def _transition(record: OpRecord) -> tuple[int, str] | None:
    """The number of the transition that ran an operation, and the identity of who counts."""
    parts = record.transition_key.split(":")
    number = whole(parts[1]) if len(parts) == 4 else None
    return None if number is None else (number, parts[3])
