"""Turn a ClusterState into a Situation: what runs where, what failed, which nodes must be fenced.

Assumes a state whose nodes were judged (online, unclean) already; adds what only the histories tell. A
resource on an unclean node counts as active there until the node is fenced. Results on a node that is
cleanly offline count for nothing, unless the node is in maintenance and its resources were left running.
"""

from collections.abc import Iterable

from backstay.scheduler.clone_history import assign_histories, tells
from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.handovers import settle_handovers
from backstay.scheduler.health import mark_health
from backstay.scheduler.locks import recall_locks
from backstay.scheduler.situation import Activity, Effective, Kind, NodeView, Resource, Situation
from backstay.scheduler.tickets import fences, freezes, lost_tickets
from backstay.scheduler.tree import every, situation_of
from backstay.scheduler.verdicts import activity_of
from backstay.state.choices import MultipleActive, NodeKind, NoQuorumPolicy, OnFail, Requires, Role
from backstay.state.cluster import ClusterState
from backstay.state.history import ResourceHistory
from backstay.state.resource import Agent, Primitive, ResourceMeta
from backstay.state.score import INFINITY


def observe(state: ClusterState) -> tuple[Situation, FailureLedger]:
    """Everything the histories say, and the fail counts."""
    situation = situation_of(state)
    ledger = FailureLedger(state)
    _apply_quorum(situation)
    _find_containers(situation)

    def is_active(resource: Resource, node: NodeView, history: ResourceHistory) -> bool:
        return (
            tells(situation, node)
            and activity_of(state, resource=resource, node=node, history=history, ledger=ledger).active
        )

    for resource, node, history in assign_histories(situation, _orphan, is_active):
        activity = activity_of(state, resource=resource, node=node, history=history, ledger=ledger)
        resource.absent.pop(node.name, None)  # this says more
        named = activity.active or history.resource == resource.base_id
        if named and history.resource != resource.id:
            resource.known_as = history.resource
        _react(situation, resource, activity)
    for position, one in enumerate(every(situation)):
        one.index = position
    names = [node.name for node in situation.nodes if node.node.kind is NodeKind.MEMBER]
    for one in situation.resources:
        if one.kind is Kind.CLONE:
            one.node_names = names
            one.seen_on = names if situation.properties.symmetric_cluster else _seen_on(one, situation)
    for leaf in situation.leaves():
        _conclude(situation, leaf)
    for leaf in situation.leaves():
        if leaf.stop_wanted and leaf.clone is not None:  # one failure stops the whole clone
            for one in situation.instances_of[leaf.base_id]:
                one.stop_wanted = True
        _judge_multiple(leaf)
    _judge_fencing(situation)
    recall_locks(situation)
    mark_health(situation)
    return situation, ledger


def _seen_on(clone: Resource, situation: Situation) -> list[str]:
    """Nodes that have anything to say about it. In an opt-in cluster it has no business on others."""
    seen = {name for leaf in clone.leaves() for name in leaf.activities}
    return [node.name for node in situation.nodes if node.name in seen and (node.online or node.unclean)]


def _orphan(situation: Situation, history: ResourceHistory) -> Resource:
    """A resource that is no longer configured, known from its history only."""
    name = history.resource
    known = next((one for one in situation.resources if one.orphan and one.id == name), None)
    if known is not None:
        return known
    agent = history.agent or Agent(standard="ocf", provider="unknown", type="unknown")
    properties = situation.properties
    made = Resource(
        id=name,
        base_id=name,
        kind=Kind.PRIMITIVE,
        orphan=True,
        primitive=Primitive(id=name, agent=agent),
        meta=Effective(
            priority=0,
            target_role=None,
            is_managed=properties.stop_removed_resources,
            maintenance=properties.maintenance_mode,
            critical=True,
            stickiness=0,
            requires=Requires.NOTHING,
            migration_threshold=INFINITY,
            failure_timeout_ms=0,
            multiple_active=MultipleActive.STOP_START,
            allow_migrate=False,
            allow_unhealthy_nodes=False,
            raw=ResourceMeta(),
        ),
    )
    situation.resources.append(made)
    situation.by_id.setdefault(name, made)
    if not situation.instances_of.get(name):
        situation.instances_of[name] = [made]
    return made


def _apply_quorum(situation: Situation) -> None:
    for node in situation.nodes:
        node.fence = node.unclean and not node.node.fence_withheld
        node.fence_reason = node.unclean_reason or "node is unclean"

        if node.node.fence_requested:
            _fence(situation, node, "termination was requested")

    state = situation.state
    policy = state.properties.no_quorum_policy
    if state.have_quorum or policy is not NoQuorumPolicy.FENCE or not state.properties.fencing_enabled:
        return
    for node in situation.nodes:
        if node.online:
            _fence(situation, node, "cluster does not have quorum")


def _find_containers(situation: Situation) -> None:
    for leaf in situation.leaves():
        name = leaf.meta.raw.container
        found = None if name is None else situation.by_id.get(name)
        if found is not None and found is not leaf and found.kind is Kind.PRIMITIVE:
            leaf.container = found
            found.is_container = True


# -- what a node's history means for the node and the resource


def _react(situation: Situation, resource: Resource, activity: Activity) -> None:
    node = activity.node
    before = resource.activities.get(node.name)
    if before is not None and before.active and not activity.active:
        return  # one of a node's several histories is enough to say that it runs there
    if before is not None:  # whichever of them is told: what went wrong for good there bans it
        activity.hard_error = activity.hard_error or before.hard_error
        activity.fatal_error = activity.fatal_error or before.fatal_error
    resource.activities[node.name] = activity
    if before is None or before.plain:
        resource.noted.append(activity)
    else:  # what is read last counts
        resource.noted[resource.noted.index(before)] = activity
    if not tells(situation, node):
        activity.role = Role.STOPPED
        activity.failed = False
        activity.pending = ""
        activity.starting = activity.not_installed = activity.failure_ignored = False
        activity.on_fail = activity.hard_error = activity.fatal_error = None
        return
    if node.unclean and activity.failed:
        # The node is going to be cut off, which is the end of the failure too.
        activity.failed = False
        activity.on_fail = None
        activity.stop_failed = False
    if activity.on_fail is OnFail.FENCE:
        _fence(situation, node, f"{resource.id} failed there")
    elif activity.on_fail is OnFail.STANDBY:
        node.standby_on_failure = True


def _fence(situation: Situation, node: NodeView, reason: str) -> None:
    if not situation.properties.fencing_enabled or node.unclean:
        return
    node.unclean = True
    node.fence = True
    node.unclean_reason = reason
    node.fence_reason = reason


def _conclude(situation: Situation, leaf: Resource) -> None:
    """Sum up what all nodes say about one primitive."""
    leaf.managed = leaf.meta.is_managed
    leaf.maintained = leaf.meta.maintenance
    for activity in settle_handovers(situation, leaf):  # else in the order in which the state has them
        node = activity.node
        _note_pending(leaf, activity)
        if activity.failure_ignored and (activity.active or leaf.clone is None):
            leaf.failure_ignored = True
        if activity.on_fail is OnFail.RESTART_CONTAINER:
            _restart_container(leaf, activity)
        if not activity.active:
            leaf.stop_wanted |= activity.on_fail is OnFail.STOP
            continue
        _doubt(situation, leaf, activity)
        leaf.active_on.append(node)
        leaf.role = _higher(leaf.role, activity.role)
        if activity.failed:
            leaf.failed = True
        if node.node.maintenance:
            leaf.maintained = True
        _apply_on_fail(leaf, activity)
    if leaf.handover is not None and leaf.handover.rumour and len(leaf.active_on) == 1:
        leaf.role = Role.STOPPED
    if leaf.maintained:
        leaf.managed = False


def _note_pending(leaf: Resource, activity: Activity) -> None:
    leaf.starting |= activity.starting
    if activity.pending and not leaf.pending:
        leaf.pending, leaf.pending_on = activity.pending, activity.node


def _doubt(situation: Situation, leaf: Resource, activity: Activity) -> None:
    """A node is not believed to have left cleanly if something managed is on record as running there."""
    node = activity.node
    if node.online or node.unclean or not node.node.left or not leaf.managed or leaf.maintained:
        return
    if not node.node.maintenance:
        _fence(situation, node, f"{leaf.id} is thought to be active there")
        activity.failed = activity.stop_failed = False
        activity.on_fail = None


_RANK = (Role.UNKNOWN, Role.STOPPED, Role.STARTED, Role.UNPROMOTED, Role.PROMOTED)


def _higher(left: Role, right: Role) -> Role:
    return left if _RANK.index(left) >= _RANK.index(right) else right


def _apply_on_fail(leaf: Resource, activity: Activity) -> None:
    match activity.on_fail:
        case OnFail.BLOCK:
            leaf.blocked = True
            leaf.managed = False
        case OnFail.STOP:
            leaf.stop_wanted = True
        case OnFail.DEMOTE:
            leaf.fail_role = Role.UNPROMOTED
        case _:
            pass


def _restart_container(leaf: Resource, activity: Activity) -> None:
    """What failed inside a container is recovered with it. What could not even be stopped goes down with it."""
    if leaf.container is None or not activity.failed:
        return
    leaf.container.restart_wanted = True
    if activity.stop_failed:
        activity.role = Role.STOPPED
        leaf.failed = leaf.failure_ignored = True


def _judge_multiple(leaf: Resource) -> None:
    if len(leaf.active_on) < 2:
        return
    clone = leaf.clone
    if clone is not None and not clone.meta.raw.globally_unique:
        return
    match leaf.meta.multiple_active:
        case MultipleActive.BLOCK:
            _block_family(leaf)
        case MultipleActive.STOP_ONLY:
            leaf.stop_wanted = True
        case MultipleActive.STOP_UNEXPECTED:
            leaf.stop_unexpected = True
        case MultipleActive.STOP_START:
            pass


def _block_family(leaf: Resource) -> None:
    """A group is blocked as a whole: its members depend on each other."""
    family = leaf.parent.children if leaf.parent is not None and leaf.parent.kind is Kind.GROUP else [leaf]
    for one in family:
        if not one.active_on:
            continue
        one.blocked = one.blocked_as_multiple = True
        one.managed = False


def suspend_without_fencing(situation: Situation) -> None:
    """Take everything out of management where nodes are to be fenced, but there is nothing to do it with: with the next
    failure the cluster could not go on. What runs is watched on. A decision too."""
    properties = situation.properties
    if properties.manage_without_devices or not properties.fencing_enabled or properties.have_watchdog:
        return
    if situation.fencing_devices_exist:
        return
    for leaf in situation.leaves():
        leaf.managed = False
    _judge_fencing(situation)


def judge_tickets(situation: Situation) -> None:
    """Freeze or fence what lost its ticket: a decision, not an observation, so the scheduler's to call."""
    for constraint, ticket, leaf in list(lost_tickets(situation)):
        if freezes(constraint, ticket, leaf):
            leaf.managed = False
            leaf.blocked = True
        elif fences(constraint, ticket, leaf):
            for node in leaf.active_on:
                _fence(situation, node, "deadman ticket was lost")


def _judge_fencing(situation: Situation) -> None:
    """A node is fenced only if that is enabled, and if there is anything to manage that could profit from it."""
    if situation.properties.fencing_enabled and any(leaf.managed for leaf in situation.leaves()):
        return
    for node in situation.nodes:
        node.fence = False


def unclean_nodes(nodes: Iterable[NodeView]) -> list[NodeView]:
    """Nodes that may run anything."""
    return [node for node in nodes if node.unclean]
