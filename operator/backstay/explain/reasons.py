"""What a contribution to a score means, in a sentence, and what would take it away."""

from collections.abc import Iterable, Iterator

from backstay.explain.model import Part
from backstay.explain.rule_words import rule_words
from backstay.explain.scene import Scene
from backstay.ocf.exitcode import exit_code_text
from backstay.scheduler.contributions import Contribution, Reason
from backstay.scheduler.situation import Activity, Kind, Resource
from backstay.state.choices import Role
from backstay.state.constraint import Colocation, ColocationSet, Location, TicketConstraint
from backstay.state.history import OpRecord
from backstay.state.score import INFINITY
from backstay.state.score import text as score_text

GROUP_LINK, CONTAINER_LINK = "#group-members", "#container"

_SHORT = {
    Reason.ASYMMETRIC: "the cluster is opt-in and nothing opts in",
    Reason.LOCATION: "location {}",
    Reason.STICKINESS: "stickiness, since it runs there",
    Reason.UNMANAGED: "left where it is: it is not managed now",
    Reason.FAILURES: "too many failures there",
    Reason.HARD_ERROR: "its agent says that it cannot run there",
    Reason.COLOCATION: "colocation {}",
    Reason.DEPENDENT: "the wish of {}, which follows it",
    Reason.TARGET_ROLE: "it shall not run (targetRole)",
    Reason.DISCOVERY: "exclusive discovery {}",
    Reason.HEALTH: "node health",
    Reason.TICKET: "ticket {}",
    Reason.RECORDING: "its host's disk takes no records",
    Reason.UTILIZATION: "no capacity left",
    Reason.LOCK: "shutdown lock",
    Reason.CLONE: "clone limits",
    Reason.PROMOTION: "the wish to be promoted there",
    Reason.QUORUM: "no quorum",
    Reason.ACTIVE_ELSEWHERE: "active elsewhere",
}


def short_reason(one: Contribution) -> str:
    """A few words, for a status line."""
    if one.reason is Reason.COLOCATION and one.source == GROUP_LINK:
        return "it is kept with its group"
    if one.reason is Reason.COLOCATION and one.source == CONTAINER_LINK:
        return "it is kept with its container"
    return _SHORT[one.reason].format(one.source)


def part_of(one: Contribution, leaf: Resource, scene: Scene) -> Part:
    """The whole sentence."""
    sentence, remedy = _words(one, leaf, scene)
    return Part(one.reason.value, one.source, one.score, sentence, remedy)


_FIXED = {
    Reason.STICKINESS: ("it runs here and rather stays (resource-stickiness {score})", ""),
    Reason.ASYMMETRIC: (
        "the cluster is opt-in (symmetric-cluster=false) and no location constraint names this node for it",
        "add a location constraint for {name} and {node}",
    ),
    Reason.DISCOVERY: (
        "a location constraint with resource-discovery=exclusive names other nodes only",
        "name {node} in such a constraint too",
    ),
    Reason.HEALTH: ("the node's health is worth {score}", "repair {node} (attributes #health-...)"),
    Reason.UTILIZATION: (
        "it uses more than the node has left (utilization)",
        "raise the capacities of {node}, or move something else away from it",
    ),
    Reason.LOCK: (
        "it waits for the node that was shut down with it (shutdown-lock)",
        "start that node, or kubectl ha resource refresh {name}",
    ),
    Reason.CLONE: (
        "another instance of its clone is here, or the clone has as many as it may have",
        "raise clone-max or clone-node-max",
    ),
    Reason.RECORDING: (
        "the disk of {node} takes no records of operations, so nothing is started there",
        "make room on the disk of {node} (kubectl describe hanode {node} says what is wrong with it)",
    ),
    Reason.PROMOTION: ("it is chosen to be promoted", ""),
    Reason.QUORUM: ("there is no quorum", "bring nodes back until there is a majority"),
    Reason.ACTIVE_ELSEWHERE: ("it is active elsewhere", ""),
}
"""Reasons whose sentence is always the same: (sentence, remedy)."""


def _words(one: Contribution, leaf: Resource, scene: Scene) -> tuple[str, str]:
    """(sentence, remedy)"""
    node, name = one.node, leaf.base_id
    match one.reason:
        case Reason.LOCATION:
            return _location(one, scene)
        case Reason.COLOCATION:
            return _colocation(one, leaf, scene)
        case Reason.DEPENDENT:
            return _dependent(one, leaf, scene)
        case Reason.UNMANAGED if one.score < 0:
            return "it is not managed, and could not be stopped here", "let it be managed, and clean up"
        case Reason.UNMANAGED:
            return (
                "it is not managed: it is left where it is",
                "let it be managed again (is-managed, maintenance)",
            )
        case Reason.FAILURES:
            return _failures(leaf, node, scene), f"kubectl ha resource cleanup {name} --node {node}"
        case Reason.HARD_ERROR:
            return _hard_error(leaf, node), f"repair it, then kubectl ha resource cleanup {name}"
        case Reason.TARGET_ROLE:
            return _not_wanted(leaf, scene)
        case Reason.TICKET:
            return _ticket(one, scene)
        case _:
            sentence, remedy = _FIXED[one.reason]
            score = score_text(one.score)
            return (
                sentence.format(name=name, node=node, score=score),
                remedy.format(name=name, node=node, score=score),
            )


def _location(one: Contribution, scene: Scene) -> tuple[str, str]:
    constraint = scene.constraints.get(one.source)
    verb = "wants" if one.score >= INFINITY else "prefers" if one.score > 0 else "avoids"
    if one.score <= -INFINITY:
        verb = "forbids"
    remedy = f"change or delete the constraint {one.source}"
    if isinstance(constraint, Location) and constraint.rules:
        rules = " and ".join(rule_words(rule.rule) for rule in constraint.rules)
        return f"location constraint {one.source} {verb} this node: its rule matches here ({rules})", remedy
    return f"location constraint {one.source} {verb} this node", remedy


def _colocation(one: Contribution, leaf: Resource, scene: Scene) -> tuple[str, str]:
    if one.source == GROUP_LINK:
        group = leaf.parent
        first = "" if group is None else group.children[max(0, group.children.index(leaf) - 1)].id
        place = _place(scene.places_of(first))
        return (
            f"it is a member of group {group.id if group else ''}: it runs where {first} does, which is {place}",
            f"move the whole group, which goes where {first} can run",
        )
    if one.source == CONTAINER_LINK:
        return "it runs inside its container", "move the container"
    constraint = scene.constraints.get(one.source)
    other = _other_end(constraint, leaf)
    place = _place([place for name in other for place in scene.places_of(name)])
    together = not isinstance(constraint, Colocation | ColocationSet) or constraint.score > 0
    verb = "keeps it with" if together else "keeps it away from"
    names = " and ".join(other) or "another resource"
    remedy = f"move {names}, or change the constraint {one.source}"
    return f"colocation constraint {one.source} {verb} {names}, which is {place}", remedy


def _other_end(constraint: object, leaf: Resource) -> list[str]:
    """The resources that a colocation ties this one to."""
    own = {leaf.base_id} | {one.base_id for one in _parents(leaf)}
    match constraint:
        case Colocation():
            return [constraint.primary if constraint.dependent in own else constraint.dependent]
        case ColocationSet():
            return [name for one in constraint.sets for name in one.members if name not in own]
        case _:
            return []


def _parents(leaf: Resource) -> Iterable[Resource]:
    one = leaf.parent
    while one is not None:
        yield one
        one = one.parent


def _place(nodes: list[str]) -> str:
    return f"placed on {', '.join(sorted(set(nodes)))}" if nodes else "placed nowhere"


def _dependent(one: Contribution, leaf: Resource, scene: Scene) -> tuple[str, str]:
    wish = "would rather not be" if one.score < 0 else "would rather be"
    if one.score <= -INFINITY:
        wish = "cannot be"
    followers = list(_followers(one.source, leaf, scene))
    constraints = [constraint for _, constraint in followers if constraint]
    others = [f"{name} (by {constraint})" if constraint else name for name, constraint in followers]
    with_it = f"; with it count {', '.join(others)}" if others else ""
    remedy = f"see why: kubectl ha explain {one.source.partition(':')[0]}"
    if constraints:
        remedy = f"weaken {' or '.join(dict.fromkeys(constraints))}, or {remedy}"
    return f"{one.source}, which follows it, {wish} here{with_it}", remedy


def _followers(source: str, leaf: Resource, scene: Scene) -> Iterator[tuple[str, str]]:
    """What follows what follows: (id, constraint; "" for a member of the same group), nearest first."""
    seen = {source, leaf.id, leaf.base_id}
    queue = [source]
    while queue:
        name = queue.pop(0)
        resource = scene.leaf(name) or scene.before.by_id.get(name)
        names = {name}
        found: list[tuple[str, str]] = []
        if resource is not None:
            names |= {resource.base_id, *(parent.base_id for parent in _parents(resource))}
            group = resource.parent
            if group is not None and group.kind is Kind.GROUP:
                found += [(one.id, "") for one in group.children[group.children.index(resource) + 1 :]]
        for constraint in scene.state.constraints:
            if isinstance(constraint, Colocation) and constraint.primary in names:
                found.append((constraint.dependent, constraint.id))
        for follower, by in found:
            if follower not in seen:
                seen.add(follower)
                queue.append(follower)
                yield follower, by


def _failures(leaf: Resource, node: str, scene: Scene) -> str:
    tally = scene.ledger.tally(leaf, node)
    operations = sorted({count.operation for count in tally.counts if count.operation})
    what = f" ({', '.join(operations)})" if operations else ""
    if tally.total >= INFINITY:
        return f"it failed here in a way that must not be tried again{what}"
    times = "once" if tally.total == 1 else f"{tally.total} times"
    threshold = leaf.meta.migration_threshold
    return f"it failed here {times}{what}, and migration-threshold is {threshold}"


def _hard_error(leaf: Resource, node: str) -> str:
    activity = leaf.activities.get(node)
    record = None if activity is None else activity.hard_error or activity.fatal_error
    record = record or _fatal(leaf.activities.values())
    if record is None:
        return "its agent says that it cannot run here"
    where = "" if activity is not None and record in activity.records else " on another node"
    why = f": {record.exit_reason}" if record.exit_reason else ""
    return f"its agent's {record.operation}{where} ended with {record.rc} ({exit_code_text(record.rc)}){why}"


def _fatal(activities: Iterable[Activity]) -> OpRecord | None:
    return next((one.fatal_error for one in activities if one.fatal_error is not None), None)


def _not_wanted(leaf: Resource, scene: Scene) -> tuple[str, str]:
    if scene.state.properties.stop_all_resources:
        return "stop-all-resources is set", "unset stop-all-resources"
    if leaf.orphan:
        return "it is no longer configured", "configure it again"
    if leaf.meta.target_role is Role.STOPPED:
        return "it is disabled (target-role Stopped)", f"kubectl ha resource enable {leaf.base_id}"
    return "it failed, and on-fail says to keep it stopped", f"kubectl ha resource cleanup {leaf.base_id}"


def _ticket(one: Contribution, scene: Scene) -> tuple[str, str]:
    constraint = scene.constraints.get(one.source)
    ticket = constraint.ticket if isinstance(constraint, TicketConstraint) else one.source
    return f"it needs the ticket {ticket}, which this site does not have", f"grant the ticket {ticket}"
