"""Statuses from the DC's picture: pure, one function per kind. `publish` writes what differs.

Condition `Ready` is what `kubectl wait` waits for: a resource that is active as wished, a group whose members all are, a node that
takes part, a cluster with a DC, quorum and no node in doubt, a constraint or device that can be used.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from backstay.api import (
    Condition,
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlanSpec,
    HAResource,
    Resource,
    ResourceGroup,
)
from backstay.api.quantities import duration_text, score_text, timestamp
from backstay.api.resource import RequestAck
from backstay.coordinator import Picture, brake_words
from backstay.coordinator.dismissals import has_gone_along
from backstay.coordinator.gate import VERIFYING
from backstay.coordinator.past import MAY_RUN_ELSEWHERE, words_of_the_past
from backstay.coordinator.watchdogs import watchdog_words
from backstay.liveness.nodes import NodeCondition
from backstay.scheduler import situation as seen
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.choices import Role
from backstay.state.claims import ObjectRef, ref_of
from backstay.state.history import FailCount
from backstay.transition.runner import Verdict
from backstay_operator.constraint_line import constraint_line
from backstay_operator.device_usability import usability
from backstay_operator.node_words import REPORT_LOST, node_reason, node_state, reported_version
from backstay_operator.recording import recording_condition
from backstay_operator.validation import (
    Key,
    Status,
    Stray,
    condition,
    first_error,
    key_of,
    problems_by_object,
    stray_status,
    unread_status,
    valid_condition,
)

FENCING_HISTORY_MAX = 10


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What statuses are made from. What many of them ask for is found once."""

    picture: Picture
    objects: Objects
    problems: tuple[Problem, ...]
    acks: Mapping[tuple[str, str, str], list[RequestAck]]
    why: Mapping[str, str]
    """Resource id -> why it is where it is."""
    epoch: int
    number: int
    dc: str
    dc_since: float
    operators: tuple[str, ...]
    dc_node: str
    now: float
    strays: tuple[Stray, ...] = ()
    """HANodes that this DC has to tell that they are none."""

    @cached_property
    def leaves(self) -> Mapping[str, list[seen.Resource]]:
        """By id: of an instance, or of what it is an instance of."""
        found: dict[str, list[seen.Resource]] = defaultdict(list)
        for leaf in self.picture.situation.leaves():
            for id_ in {leaf.id, leaf.base_id}:
                found[id_].append(leaf)
        return dict(found)

    @cached_property
    def crowd(self) -> Mapping[str, int]:
        """How many primitives are active on each node."""
        return Counter(
            name
            for leaf in self.picture.situation.leaves()
            for name in {node.name for node in leaf.active_on}
        )

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """Of groups, in order."""
        found: dict[str, list[str]] = defaultdict(list)
        for member, owner in self.picture.assembly.index.group_of.items():
            found[owner].append(member)
        return dict(found)

    @cached_property
    def problems_by_object(self) -> Mapping[Key, list[Problem]]:
        """Errors first."""
        return problems_by_object(self.problems)

    @cached_property
    def ids(self) -> Mapping[ObjectRef, list[str]]:
        """The ids that each object holds, sorted."""
        found: dict[ObjectRef, list[str]] = defaultdict(list)
        for id_, ref in sorted(self.picture.assembly.index.objects.items()):
            found[ref].append(id_)
        return dict(found)

    def id_of(self, item: HAResource | ResourceGroup) -> str:
        """The object's id; empty where another object holds it: what runs under it is not this one's."""
        return item.resource_id if self.picture.assembly.index.holds(item) else ""

    def problems_of(self, item: Resource) -> list[Problem]:
        """Of one object, errors first."""
        return self.problems_by_object.get(key_of(item), [])

    @cached_property
    def resources(self) -> Mapping[tuple[str, str | None], HAResource]:
        """By id and namespace."""
        return {(item.resource_id, item.metadata.namespace): item for item in self.objects.resources}

    @cached_property
    def fail_counts(self) -> Mapping[str, list[FailCount]]:
        """By resource; those of a clone's numbered instances also by the name of what they are instances of."""
        found: dict[str, list[FailCount]] = defaultdict(list)
        for one in self.picture.assembly.state.fail_counts:
            for name in {one.resource, one.resource.partition(":")[0]}:
                found[name].append(one)
        return dict(found)

    @cached_property
    def failure_reasons(self) -> Mapping[tuple[str, str, str, int], str]:
        """By node, resource, operation and interval."""
        return {
            (node, one.resource, one.operation, one.interval_ms): one.reason
            for node, plan in self.objects.plans.items()
            for one in plan.status.failures
        }


@dataclass(frozen=True, slots=True)
class Written:
    """A status to be written."""

    kind: type[Resource]
    namespace: str
    name: str
    status: Status


def statuses_of_few(scene: Scene) -> Iterator[Written]:
    """Of what there is one of, or one per node, and of fence devices; each made when it is asked for."""
    objects = scene.objects
    yield _written(objects.cluster, cluster_status(scene))
    for node in objects.nodes:
        yield _written(node, node_status(scene, node))
    for device in objects.devices:
        yield _written(device, device_status(scene, device))
    for one in scene.strays:
        yield _written(one.node, stray_status(one, now=scene.now))
    for unread in scene.objects.unread:
        yield Written(unread.kind, *unread.place, unread_status(unread, now=scene.now))


def statuses_of_many(scene: Scene) -> Iterator[Written]:
    """Of resources, groups and constraints, likewise. They are made of `parts_of_many` and of nothing else."""
    for item in scene.objects.resources:
        yield _written(item, resource_status(scene, item))
    for group in scene.objects.groups:
        yield _written(group, group_status(scene, group))
    for constraint in scene.objects.constraints:
        yield _written(constraint, constraint_status(scene, constraint))


def parts_of_many(scene: Scene) -> tuple[object, ...]:
    """What `statuses_of_many` reads: first what is to be compared by identity, then, in a tuple, what is equal if it says the same.
    (The time counts only for a condition that changes.)"""
    picture = scene.picture
    past = words_of_the_past(picture.membership) if picture.held else ""
    by_value = (scene.problems, scene.acks, picture.held, past, picture.assembly.state.fail_counts)
    return picture.situation.resources, picture.assembly.index, scene.why, scene.objects, by_value


def _written(item: Resource, status: Status) -> Written:
    return Written(type(item), item.metadata.namespace or "", item.metadata.name, status)


def _condition(
    item: Resource, old: Iterable[Condition], *, ok: bool | None, reason: str, message: str, now: float
) -> list[Status]:
    """The Ready condition."""
    return [condition(item, old, type_="Ready", ok=ok, reason=reason, message=message, now=now)]


def _valid(scene: Scene, item: HAResource | ResourceGroup | HAConstraint | FenceDevice, *ids: str) -> Status:
    """The Valid condition; `ids` are the resources that the object defines."""
    return valid_condition(
        item,
        item.status.conditions,
        problems=scene.problems_of(item),
        verifying=any(scene.picture.held.get(id_) == VERIFYING for id_ in ids),
        now=scene.now,
    )


def _acks(scene: Scene, item: Resource) -> list[Status]:
    key = (type(item).info.kind, item.metadata.namespace or "", item.metadata.name)
    return [ack.wire() for ack in scene.acks.get(key, [])]


# -- the cluster


def cluster_status(scene: Scene) -> Status:
    """DC, quorum, counts."""
    cluster: HACluster = scene.objects.cluster
    nodes = scene.picture.membership.nodes
    online = sum(1 for view in nodes.values() if view.verdict.condition is NodeCondition.ONLINE)
    leaves = list(scene.picture.situation.leaves())
    started = sum(1 for leaf in leaves if leaf.active_on)
    failed = sum(1 for leaf in leaves if leaf.failed)
    blocked = sum(1 for leaf in leaves if leaf.blocked)
    transition = _last_transition(scene)
    status: Status = {
        "epoch": scene.epoch,
        "transitionNumber": scene.number,
        "dc": scene.dc,
        "dcSince": timestamp(scene.dc_since),
        "operators": list(scene.operators),
        "quorum": scene.picture.membership.quorum,
        "nodes": {"total": len(nodes), "online": online},
        "nodesSummary": f"{online}/{len(nodes)} online",
        "resources": {"total": len(leaves), "started": started, "failed": failed, "blocked": blocked},
        "resourcesSummary": f"{started}/{len(leaves)} started",
        "conditions": _cluster_condition(scene, cluster),
    }
    if transition:
        status["lastTransition"] = transition
    return status


def _last_transition(scene: Scene) -> Status:
    """The one under way, or the one that ended last; a new DC that began none yet keeps what its predecessor wrote."""
    run, last = scene.picture.run, scene.picture.last
    if run is None and last is None:
        old = scene.objects.cluster.status.last_transition
        return (
            {**old.wire(), "phase": "Aborted" if old.phase == "Running" else old.phase}
            if old is not None
            else {}
        )
    context = run.context if run is not None else last.run.context  # type: ignore[union-attr]
    phase = "Running"
    if run is None and last is not None:
        phase = "Complete" if last.verdict is Verdict.COMPLETE else "Aborted"
    return {
        "number": context.number,
        "phase": phase,
        "trigger": context.trigger.sentence,
        "time": timestamp(context.began_wall),
    }


def _cluster_condition(scene: Scene, cluster: HACluster) -> list[Status]:
    membership = scene.picture.membership
    brake = condition(
        cluster,
        cluster.status.conditions,
        type_="StormBrake",
        ok=membership.brake.engaged,
        reason="NodesLostTogether" if membership.brake.engaged else "NoStorm",
        message=brake_words(membership),
        now=scene.now,
    )
    valid = valid_condition(
        cluster,
        cluster.status.conditions,
        problems=scene.problems_of(cluster),
        verifying=False,
        now=scene.now,
        ready_tells=False,
    )
    return [*_ready_of_cluster(scene, cluster), brake, valid]


def _ready_of_cluster(scene: Scene, cluster: HACluster) -> list[Status]:
    old = cluster.status.conditions
    nodes = scene.picture.membership.nodes
    unclean = [name for name, view in nodes.items() if view.verdict.condition is NodeCondition.UNCLEAN]
    if not nodes:
        message = "nodeSelector: no Node has these labels"
        return _condition(cluster, old, ok=False, reason="NoNodes", message=message, now=scene.now)
    if cluster.spec.shutdown:
        message = (
            "spec.shutdown: everything is stopped (but what is left in maintenance), and nodes are let go"
        )
        return _condition(cluster, old, ok=False, reason="ShutDown", message=message, now=scene.now)
    if not scene.picture.membership.quorum:
        message = "fewer than half of the nodes are heard; noQuorumPolicy says what happens to resources"
        return _condition(cluster, old, ok=False, reason="NoQuorum", message=message, now=scene.now)
    if unclean:
        message = f"unclean: {' '.join(unclean)}"
        return _condition(cluster, old, ok=False, reason="NodeUnclean", message=message, now=scene.now)
    return _condition(cluster, old, ok=True, reason="Quorate", message=f"DC is {scene.dc}", now=scene.now)


# -- nodes


def node_status(scene: Scene, node: HANode) -> Status:
    """Life, boot, agent, what runs there."""
    name = node.metadata.name
    view = scene.picture.membership.nodes[name]
    plan = scene.objects.plans.get(name)
    cluster = scene.objects.cluster
    why = scene.picture.membership.leaving.get(name, "")
    state = node_state(cluster, node, view, leaving=bool(why))
    reason = node_reason(view, why)
    status: Status = {
        "cluster": cluster.metadata.name,
        "state": state,
        "dc": name == scene.dc_node,
        "reason": reason,
        "bootId": view.boot_id,
        "agentVersion": reported_version(node, view, plan),
        "resources": scene.crowd.get(name, 0),
        "standards": list(plan.status.capabilities.standards) if plan and plan.status.capabilities else [],
        "requests": _acks(scene, node),
        "watchdog": watchdog_words(cluster, view, plan.spec if plan is not None else HANodePlanSpec()),
        "dismissed": has_gone_along(view, plan),
        "fencingHistory": _fencing_history(scene, node),
        "conditions": _condition(
            node,
            node.status.conditions,
            ok=view.verdict.condition is NodeCondition.ONLINE,
            reason=REPORT_LOST if view.lost else state,
            message=reason,
            now=scene.now,
        ),
    }
    status["conditions"].append(recording_condition(node, view, scene.now))
    same = node.status.state == state and node.status.since
    status["since"] = node.status.since if same else timestamp(scene.now)
    return status


def _fencing_history(scene: Scene, node: HANode) -> list[Status]:
    """This term's, and behind them what earlier DCs wrote."""
    fresh = scene.picture.fencing.get(node.metadata.name, ())
    known = {one.time for one in fresh}
    older = [one for one in node.status.fencing_history if one.time not in known]
    return [one.wire() for one in (*fresh, *older)[:FENCING_HISTORY_MAX]]


# -- resources


def resource_status(scene: Scene, item: HAResource) -> Status:
    """Role, place, failures."""
    id_ = scene.id_of(item)
    problem = _problem_of(scene, item)
    leaves = _leaves(scene, id_)
    status: Status = {
        "cluster": scene.objects.cluster.metadata.name,
        "ids": scene.ids.get(ref_of(item), []),
        **_activity(scene, leaves),
        **({"role": "Unknown"} if _is_unknown(scene, leaves, id_) else {}),
        "group": scene.picture.assembly.index.group_of.get(id_, ""),
        "why": scene.why.get(id_, ""),
        **_failures(scene, [id_]),
        "requests": _acks(scene, item),
    }
    old = item.status.conditions
    if problem is not None:
        status["conditions"] = _condition(
            item, old, ok=False, reason=problem.code, message=problem.message, now=scene.now
        )
    else:
        ok, reason, message = _readiness(scene, leaves, id_, [id_])
        status["conditions"] = _condition(item, old, ok=ok, reason=reason, message=message, now=scene.now)
    status["conditions"].append(_valid(scene, item, id_))
    return status


def _is_unknown(scene: Scene, leaves: list[seen.Resource], id_: str) -> bool:
    """Whether it may run where nobody can tell: then nobody may say that it is stopped."""
    lost = scene.picture.held.get(id_) in MAY_RUN_ELSEWHERE
    return lost and not any(leaf.active_on for leaf in leaves)


def _problem_of(scene: Scene, item: Resource) -> Problem | None:
    return first_error(scene.problems_of(item))


def _leaves(scene: Scene, id_: str) -> list[seen.Resource]:
    return scene.leaves.get(id_, [])


def role_word(leaf: seen.Resource) -> str:
    """Started, Stopped, Promoted, Unpromoted; Starting or Stopping while under way; Failed; Blocked."""
    pending = next((one.pending for one in leaf.activities.values() if one.pending), "")
    words = {"start": "Starting", "stop": "Stopping", "promote": "Promoting", "demote": "Demoting"}
    word = words.get(pending)
    if word is not None:
        return word
    if leaf.blocked:
        return "Blocked"
    if leaf.failed:
        return "Failed"
    if not leaf.active_on:
        return "Stopped"
    return str(leaf.role.value) if leaf.role is not Role.UNKNOWN else "Started"


def _activity(scene: Scene, leaves: list[seen.Resource]) -> Status:
    active = [
        {"node": node.name, "role": role_word(leaf)}
        for leaf in leaves
        for node in sorted(leaf.active_on, key=lambda one: one.name)
    ]
    words = sorted({role_word(leaf) for leaf in leaves}) or ["Stopped"]
    return {
        "role": words[0] if len(words) == 1 else " ".join(words),
        "node": " ".join(sorted({one["node"] for one in active})),
        "active": active,
        "managed": all(leaf.managed for leaf in leaves),
        "blocked": any(leaf.blocked for leaf in leaves),
    }


def _failures(scene: Scene, ids: list[str]) -> Status:
    wanted = [one for id_ in ids for one in scene.fail_counts.get(id_, ())]
    counts = [
        {
            "node": one.node,
            "operation": one.operation,
            "interval": duration_text(one.interval_ms),
            "count": one.count if one.count < 1_000_000 else score_text(one.count),
            "reason": scene.failure_reasons.get((one.node, one.resource, one.operation, one.interval_ms), ""),
            **({"lastFailure": timestamp(one.last_failure)} if one.last_failure is not None else {}),
        }
        for one in sorted(wanted, key=lambda one: (one.node, one.resource, one.operation, one.interval_ms))
    ]
    return {"failCounts": counts, "failures": max((one.count for one in wanted), default=0)}


def _readiness(
    scene: Scene, leaves: list[seen.Resource], id_: str, parts: list[str]
) -> tuple[bool | None, str, str]:
    """`parts`: the primitives of `id_`."""
    why = scene.why.get(id_, "")
    if not leaves:
        return None, "NotScheduled", "the DC has not looked at it yet"
    words = sorted({role_word(leaf) for leaf in leaves})
    good = {"Started", "Promoted", "Unpromoted"}
    places = sorted({node.name for leaf in leaves for node in leaf.active_on})
    if all(word in good for word in words):
        return True, words[-1], f"on {' '.join(places)}"
    bad = next(word for word in words if word not in good)
    wanted = leaves[0].meta.target_role
    past = next((code for part in parts if (code := scene.picture.held.get(part)) in MAY_RUN_ELSEWHERE), None)
    if past is not None:
        return False, past, words_of_the_past(scene.picture.membership)
    if bad == "Stopped" and wanted is Role.STOPPED:
        return False, "Disabled", "meta.targetRole is Stopped"
    return False, bad, why or f"{bad} on {' '.join(places) or 'no node'}"


# -- groups


def group_status(scene: Scene, group: ResourceGroup) -> Status:
    """Members, and the group as a whole."""
    own = scene.id_of(group)
    ids = scene.members.get(own, [])
    leaves = [leaf for id_ in ids for leaf in _leaves(scene, id_)]
    ready = sum(1 for leaf in leaves if role_word(leaf) in ("Started", "Promoted", "Unpromoted"))
    members = [
        {
            "name": leaf.id,
            "agent": str(leaf.agent),
            "role": role_word(leaf),
            "node": " ".join(sorted(node.name for node in leaf.active_on)),
            "failures": _failures(scene, [leaf.base_id])["failures"],
        }
        for leaf in leaves
    ]
    activity = _activity(scene, leaves)
    status: Status = {
        "cluster": scene.objects.cluster.metadata.name,
        "ids": scene.ids.get(ref_of(group), []),
        "role": _group_word(leaves, ready),
        "node": activity["node"],
        "active": activity["active"],
        "readyMembers": f"{ready}/{len(leaves)}",
        "members": members,
        "why": scene.why.get(own, ""),
        **_failures(scene, ids),
        "requests": _acks(scene, group),
    }
    problem = _problem_of(scene, group) or _problem_of_members(scene, group, ids)
    old = group.status.conditions
    if problem is not None:
        status["conditions"] = _condition(
            group, old, ok=False, reason=problem.code, message=problem.message, now=scene.now
        )
    else:
        ok, reason, message = _readiness(scene, leaves, own, ids)
        status["conditions"] = _condition(group, old, ok=ok, reason=reason, message=message, now=scene.now)
    status["conditions"].append(_valid(scene, group, *ids))
    return status


def _problem_of_members(scene: Scene, group: ResourceGroup, ids: list[str]) -> Problem | None:
    """The first member that keeps the group from being whole, told in the group's name."""
    for id_ in ids:
        item = scene.resources.get((id_, group.metadata.namespace))
        problem = _problem_of(scene, item) if item is not None else None
        if item is not None and problem is not None:
            return replace(problem, message=f"member {item.metadata.name}: {problem.message}")
    return None


def _group_word(leaves: list[seen.Resource], ready: int) -> str:
    if leaves and ready == len(leaves):
        return "Started"
    words = [role_word(leaf) for leaf in leaves]
    worst = next((word for word in ("Blocked", "Failed", "Stopping", "Starting") if word in words), "")
    if worst:
        return worst
    return "Partial" if ready else "Stopped"


# -- constraints and devices


def constraint_status(scene: Scene, item: HAConstraint) -> Status:
    """Usable or not, and the constraint in a line."""
    problem = _problem_of(scene, item)
    ready = _condition(
        item,
        item.status.conditions,
        ok=problem is None,
        reason=problem.code if problem else "InForce",
        message=problem.message if problem else "",
        now=scene.now,
    )
    return {
        "cluster": scene.objects.cluster.metadata.name,
        "summary": constraint_line(item),
        "conditions": [*ready, _valid(scene, item)],
    }


def device_status(scene: Scene, device: FenceDevice) -> Status:
    """Whether a node could use it, what its checks say, and its last use."""
    name = device.metadata.name
    problem = _problem_of(scene, device)
    checks = [
        one
        for one in scene.picture.device_checks.get(name, ())
        if one.node in scene.picture.membership.online
    ]
    ok, reason, message = usability(checks, online=scene.picture.membership.online)
    if problem is not None:
        ok, reason, message = False, problem.code, problem.message
    ready = _condition(device, device.status.conditions, ok=ok, reason=reason, message=message, now=scene.now)
    status: Status = {"conditions": [*ready, _valid(scene, device)]}
    if checks:
        status["monitored"] = [f"{one.node}: {one.message or 'ok'}"[:256] for one in checks]
        status["lastMonitor"] = timestamp(max(one.wall for one in checks))
    used = scene.picture.device_uses.get(name)
    if used is not None:
        status["lastUsed"], status["lastResult"] = timestamp(used[0]), used[1]
    return status
