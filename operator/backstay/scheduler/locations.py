"""The score of every resource on every node before any colocation: constraints, stickiness, failures,
health.

Scores of one resource are a list over `Situation.nodes`. For a group, location constraints count for the
group and for its first member: the others follow it. For a clone they count for every instance.
"""

from collections.abc import Iterable

from backstay.numerals import attribute_score
from backstay.scheduler.contributions import Journal, Reason
from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.health import health_scores
from backstay.scheduler.params import attributes_of, params_for
from backstay.scheduler.situation import Activity, Kind, NodeView, Resource, Situation
from backstay.scheduler.tree import every
from backstay.state.choices import Discovery, OnFail, Role
from backstay.state.constraint import Location
from backstay.state.rule_match import Facts, matches
from backstay.state.score import INFINITY, add

Row = list[int]


class Scores:
    """The score table. Rows are changed in place during placement; `journal` tells why."""

    def __init__(self, situation: Situation, journal: Journal) -> None:
        self.situation = situation
        self.journal = journal
        self.names = tuple(node.name for node in situation.nodes)
        self._others: dict[int, tuple[str, ...]] = {}  # by position: all other names
        self.rows: dict[Resource, Row] = {}
        self.discovery: dict[tuple[Resource, int], Discovery] = {}
        self.exclusive: set[Resource] = set()
        self.opted_out: set[tuple[Resource, int]] = set()  # asymmetric clusters: never mentioned

    def add(
        self, resource: Resource, node: NodeView, score: int, *, reason: Reason, source: str = ""
    ) -> None:
        """Add to one cell."""
        row = self.rows[resource]
        row[node.index] = add(row[node.index], score)
        self.journal.note(resource.id, node.name, reason=reason, source=source, score=score)

    def ban(self, resource: Resource, *, reason: Reason, source: str = "") -> None:
        """-INFINITY everywhere."""
        self.rows[resource][:] = [-INFINITY] * len(self.names)
        self.journal.note_all(resource.id, self.names, reason=reason, source=source, score=-INFINITY)

    def ban_elsewhere(self, resource: Resource, node: NodeView, *, reason: Reason, source: str = "") -> None:
        """-INFINITY everywhere but there."""
        row = self.rows[resource]
        kept = row[node.index]
        row[:] = [-INFINITY] * len(row)
        row[node.index] = kept
        others = self._others.get(node.index)
        if others is None:
            others = self.names[: node.index] + self.names[node.index + 1 :]
            self._others[node.index] = others
        self.journal.note_all(resource.id, others, reason=reason, source=source, score=-INFINITY)


def base_scores(situation: Situation, ledger: FailureLedger, journal: Journal) -> Scores:
    """The table with everything but colocations in it."""
    scores = Scores(situation, journal)
    opted_in: set[tuple[Resource, int]] = set()
    resources = every(situation)
    for resource in resources:
        scores.rows[resource] = [0] * len(situation.nodes)
    for constraint in situation.state.constraints:
        if isinstance(constraint, Location):
            _apply_location(scores, constraint, opted_in)
    if not situation.properties.symmetric_cluster:
        _opt_out(scores, resources, opted_in)
    for resource in resources:
        if resource.kind is Kind.PRIMITIVE:
            _stick(scores, resource)
            _shun_failures(scores, resource, ledger)
            _start_nothing(scores, resource)
    health = health_scores(situation)
    if health is not None:
        _apply_health(scores, resources, health)
    for resource in resources:
        if resource in scores.exclusive:
            _exclude(scores, resource)
    return scores


# -- location constraints


def targets_of(situation: Situation, name: str) -> list[Resource]:
    """What a constraint on this id applies to: the resource, and all instances that it stands for."""
    found: list[Resource] = []
    stack = list(situation.instances_of.get(name, ()))
    while stack:
        one = stack.pop(0)
        found.append(one)
        if one.kind is Kind.CLONE:
            stack += one.children
        elif one.kind is Kind.GROUP:
            stack += one.children[:1]
    return found


def _apply_location(scores: Scores, constraint: Location, opted_in: set[tuple[Resource, int]]) -> None:
    situation = scores.situation
    if constraint.role is Role.PROMOTED:
        return  # counts for promotion only
    targets = targets_of(situation, constraint.resource)
    for node, score in location_scores(situation, constraint, promoted=False):
        for resource in targets:
            opted_in.add((resource, node.index))
            scores.add(resource, node, score, reason=Reason.LOCATION, source=constraint.id)
            if constraint.discovery is not Discovery.ALWAYS:
                scores.discovery.setdefault((resource, node.index), constraint.discovery)
    if constraint.discovery is Discovery.EXCLUSIVE:
        scores.exclusive.update(targets)


def location_scores(
    situation: Situation, constraint: Location, *, promoted: bool
) -> list[tuple[NodeView, int]]:
    """(node, score) pairs of a constraint: its plain node, or what its rules make of every node. Rules and
    constraints for the promoted role count with `promoted`, the others without."""
    found: list[tuple[NodeView, int]] = []
    if constraint.node is not None:
        node = situation.node_by_name.get(constraint.node)
        if node is not None and (constraint.role is Role.PROMOTED) == promoted:
            found.append((node, constraint.score))
    for rule in constraint.rules:
        role = rule.role or constraint.role
        if (role is Role.PROMOTED) != promoted:
            continue
        for node in situation.nodes:
            facts = node_facts(situation, node, constraint.resource)
            if matches(rule.rule, facts):
                found.append((node, _rule_score(rule.score, rule.score_attribute, node)))
    return found


def node_facts(situation: Situation, node: NodeView, resource: str) -> Facts:
    """What rules may know about a node. The parameters are those that the resource has on that very node."""
    found = situation.by_id.get(resource)
    leaf = None if found is None else next(found.leaves(), None)
    params = {} if leaf is None else params_for(situation, leaf, node)
    meta = {} if found is None else found.meta.raw.extra
    return Facts(now=situation.state.now, attribute=attributes_of(situation, node), params=params, meta=meta)


def _rule_score(score: int, attribute: str | None, node: NodeView) -> int:
    if attribute is None:
        return score
    value = node.node.attribute(attribute)
    if value is None:
        return -INFINITY
    return attribute_score(value) or 0


def _opt_out(scores: Scores, resources: Iterable[Resource], opted_in: set[tuple[Resource, int]]) -> None:
    """In an asymmetric cluster a node is out unless a constraint names it."""
    for resource in resources:
        parent = resource.parent
        if parent is not None and parent.kind is Kind.GROUP and resource is not parent.children[0]:
            continue  # members follow the first, as constraints on the group do
        for node in scores.situation.nodes:
            if (resource, node.index) not in opted_in:
                scores.opted_out.add((resource, node.index))
                scores.add(resource, node, -INFINITY, reason=Reason.ASYMMETRIC)


def _exclude(scores: Scores, resource: Resource) -> None:
    for node in scores.situation.nodes:
        if scores.discovery.get((resource, node.index)) is not Discovery.EXCLUSIVE:
            scores.add(resource, node, -INFINITY, reason=Reason.DISCOVERY)


# -- stickiness, failures, health


def _stick(scores: Scores, resource: Resource) -> None:
    if not resource.managed and resource.active_on and not resource.blocked_as_multiple:
        for node in resource.active_on:
            stuck = resource.activities[node.name].stop_failed
            scores.add(resource, node, -INFINITY if stuck else INFINITY, reason=Reason.UNMANAGED)
        return
    stickiness = stickiness_of(resource)
    if stickiness <= 0 or not resource.managed or len(resource.active_on) != 1:
        return
    node = resource.active_on[0]
    row = scores.rows[resource]
    if not scores.situation.properties.symmetric_cluster and row[node.index] <= -INFINITY:
        return
    scores.add(resource, node, stickiness, reason=Reason.STICKINESS)


def stickiness_of(resource: Resource) -> int:
    """Instances of anonymous clones stick a little by default, so that they are not shuffled."""
    clone = resource.clone
    raw = resource.meta.raw.resource_stickiness
    if raw is None and clone is not None:
        return 1
    return resource.meta.stickiness


def _shun_failures(scores: Scores, resource: Resource, ledger: FailureLedger) -> None:
    threshold = resource.meta.migration_threshold
    suspects = _suspects(scores.situation, resource, ledger)
    for node in scores.situation.nodes if suspects else ():
        if node.name not in suspects:
            continue
        if threshold > 0 and (count := _counted(scores.situation, resource, node, ledger)) >= threshold:
            assert count > 0
            for one in _banned_with(resource):
                scores.add(one, node, -INFINITY, reason=Reason.FAILURES)
        for activity in _activities(scores.situation, resource, node):
            _shun_errors(scores, resource, activity)


def _start_nothing(scores: Scores, resource: Resource) -> None:
    """Nodes that can record no operation keep what they have."""
    for node in scores.situation.nodes:
        if node.node.starts_nothing and node not in resource.active_on:
            scores.add(resource, node, -INFINITY, reason=Reason.RECORDING)


def _banned_with(resource: Resource) -> list[Resource]:
    """What fails too often somewhere: of an instance of an anonymous clone all of it, as it could be any."""
    clone = resource.clone
    if clone is None or clone.meta.raw.globally_unique:
        return [resource]
    return [clone, *(resource.parent.leaves() if resource.parent not in (None, clone) else [resource])]


def _suspects(situation: Situation, resource: Resource, ledger: FailureLedger) -> set[str]:
    """The nodes where a failure may count against a resource: few, so only these are looked at closely."""
    if resource.is_container:
        return {node.name for node in situation.nodes}
    found = set(ledger.nodes_of(resource.base_id))
    for one in (
        situation.instances_of.get(resource.base_id, ()) if resource.clone is not None else (resource,)
    ):
        found.update(
            activity.node.name
            for activity in one.noted
            if activity.stop_failed or activity.hard_error is not None or activity.fatal_error is not None
        )
    return found


def _activities(situation: Situation, resource: Resource, node: NodeView) -> list[Activity]:
    """What is known of a resource on a node; instances of an anonymous clone share it."""
    clone = resource.clone
    family = [resource]
    if clone is not None and not clone.meta.raw.globally_unique:
        family = situation.instances_of[resource.base_id]
    found = (one.activities.get(node.name) for one in family)
    return [one for one in found if one is not None]


def _shun_errors(scores: Scores, resource: Resource, activity: Activity) -> None:
    node = activity.node
    if activity.stop_failed and activity.on_fail is OnFail.FENCE:
        scores.add(resource, node, -INFINITY, reason=Reason.FAILURES)
    if activity.hard_error is not None:
        scores.add(resource, node, -INFINITY, reason=Reason.HARD_ERROR)
    if activity.fatal_error is not None:
        scores.ban(resource, reason=Reason.HARD_ERROR)


def _counted(situation: Situation, resource: Resource, node: NodeView, ledger: FailureLedger) -> int:
    activity = resource.activities.get(node.name)
    if activity is not None and activity.obsolete:
        return 0
    count = ledger.counted(resource, node.name)
    if resource.is_container:
        for leaf in situation.leaves():
            if leaf.container is resource:
                count = add(count, ledger.counted(leaf, node.name))
    return count


def _apply_health(scores: Scores, resources: Iterable[Resource], health: Row) -> None:
    for resource in resources:
        if resource.meta.allow_unhealthy_nodes:
            continue
        parent = resource.parent
        if parent is not None and parent.kind is Kind.GROUP and resource is not parent.children[0]:
            continue
        for node in scores.situation.nodes:
            scores.add(resource, node, health[node.index], reason=Reason.HEALTH)
