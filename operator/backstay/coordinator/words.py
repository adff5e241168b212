"""Words for people: a transition's changes in crm_simulate's manner, and why each resource is where it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from backstay.api.quantities import score_text
from backstay.explain import short_reason
from backstay.liveness.nodes import NodeCondition
from backstay.scheduler import Change, Contribution, Transition, Verb
from backstay.scheduler.transition import ScoreRow
from backstay.state.assemble import Assembly
from backstay.state.resource import primitives_of
from backstay.state.score import INFINITY

REWOUND = (
    "The API's history went back (was etcd restored from a backup, or the cluster made again?). All lease ages begin again and every "
    "node must answer anew; requests to fence or to confirm that stand in that past are refused. What was changed since the backup is "
    "lost: apply it again"
)


def summary_lines(transition: Transition) -> tuple[str, ...]:
    """`Move ClusterIP ( n11 -> n5 )`, one line per change."""
    return tuple(_line(change) for change in transition.changes)


def _line(change: Change) -> str:
    because = f" due to {change.reason}" if change.reason else ""
    blocked = " (blocked)" if change.blocked else ""
    if change.verb is Verb.FENCE:
        return f"Fence ({change.fencing_action or 'reboot'}) {change.to_node}{because}"
    if change.from_node and change.to_node and change.from_node != change.to_node:
        place = f"{change.from_node} -> {change.to_node}"
    else:
        place = change.to_node or change.from_node or ""
    return f"{change.verb.value} {change.resource} ( {place} ){because}{blocked}"


def condition_of(state: str) -> NodeCondition | None:
    """What an HANode's published state says of the node's life: wishes (standby, stopped, ...) are only told of nodes that are online.

    None where nothing was published yet."""
    if not state:
        return None
    lifeless = {one.value: one for one in NodeCondition}
    return lifeless.get(state, NodeCondition.ONLINE)


def placed_nodes(transition: Transition, assembly: Assembly) -> Mapping[str, tuple[str, ...]]:
    """Where the scheduler wants each primitive, and each group: where all its members shall be."""
    found: dict[str, list[str]] = defaultdict(list)
    for placed in transition.placements:
        found.setdefault(placed.resource, [])
        if placed.node is not None:
            found[placed.resource].append(placed.node)
    places = {resource: tuple(sorted(set(nodes))) for resource, nodes in found.items()}
    for top in assembly.state.resources:
        members = [item.id for item in primitives_of(top)]
        if members != [top.id]:
            wanted = [places.get(member, ()) for member in members]
            same = bool(wanted) and all(one == wanted[0] for one in wanted)
            places[top.id] = wanted[0] if same else ()
    return places


def reason_lines(transition: Transition, assembly: Assembly) -> Mapping[str, str]:
    """Resource or group id -> a sentence: where it shall run, its score there, and what that is made of."""
    blocked = {one.resource: one.reason for one in transition.blocked}
    rows = {row.resource: row for row in transition.score_rows}  # of several the last counts
    notes: dict[str, list[Contribution]] = defaultdict(list)
    for one in transition.contributions:
        notes[one.resource].append(one)
    lines: dict[str, str] = {}
    for placed in transition.placements:
        if placed.resource in blocked:
            lines[placed.resource] = f"blocked: {blocked[placed.resource]}"
        elif placed.node is None:
            lines[placed.resource] = _nowhere(notes[placed.resource])
        else:
            lines[placed.resource] = _here(placed.node, notes[placed.resource], rows.get(placed.resource))
    for top in assembly.state.resources:
        members = [item.id for item in primitives_of(top)]
        if members and members != [top.id]:
            stuck = [
                f"{member}: {lines[member]}"
                for member in members
                if lines.get(member, "").startswith("blocked")
            ]
            lines[top.id] = stuck[0] if stuck else lines.get(members[0], "")
    return lines


def _here(node: str, notes: Sequence[Contribution], row: ScoreRow | None) -> str:
    parts = [
        f"{short_reason(one)} {score_text(one.score)}" for one in notes if one.node == node and one.score
    ]
    known = row is not None and node in row.nodes
    score = row.scores[row.nodes.index(node)] if row is not None and known else None
    total = f" with score {score_text(score)}" if score is not None else ""
    if not parts:
        parts = _banned_elsewhere(notes)
    return f"{node}{total}" + (f": {', '.join(parts[:6])}" if parts else ": no preference, any node would do")


def _banned_elsewhere(notes: Sequence[Contribution]) -> list[str]:
    """What leaves a resource no other place, such as the group that it is kept with."""
    return list(dict.fromkeys(short_reason(one) for one in notes if one.score <= -INFINITY))


def _nowhere(notes: Sequence[Contribution]) -> str:
    bans = [f"{one.node}: {short_reason(one)}" for one in notes if one.score <= -INFINITY]
    return f"can run nowhere: {'; '.join(bans[:6])}" if bans else "can run nowhere: no node is able to"
