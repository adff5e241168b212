"""The scheduler: from what is known about a cluster to what shall be done about it.

`schedule` reads like a table of contents. Same input, same output; the clock is the state's `now`.
"""

from backstay.scheduler.assign import Assigner
from backstay.scheduler.assign_clone import assign_clone
from backstay.scheduler.causes import Why
from backstay.scheduler.cleanup import plan_failure_cleanup
from backstay.scheduler.colocations import Colocations
from backstay.scheduler.contributions import Journal
from backstay.scheduler.emit import emit, ties_of
from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.fates import order_containers, tie_fates
from backstay.scheduler.fencing import (
    plan_fencing,
    plan_shutdown,
    plan_starts_after_fencing,
    plan_stops_by_fencing,
)
from backstay.scheduler.horizon import next_check
from backstay.scheduler.load import Capacity, plan_load
from backstay.scheduler.locations import Scores, base_scores
from backstay.scheduler.locks import apply_locks, plan_lock_removal
from backstay.scheduler.migrate import mark_handings, plan_migrations
from backstay.scheduler.notify import plan_notifications
from backstay.scheduler.observe import judge_tickets, observe, suspend_without_fencing
from backstay.scheduler.orders import plan_orders
from backstay.scheduler.plan import Placement, Plan
from backstay.scheduler.plan_clone import plan_clone
from backstay.scheduler.plan_group import plan_group
from backstay.scheduler.plan_primitive import plan_primitive
from backstay.scheduler.probes import order_probes, plan_probes
from backstay.scheduler.recount import plan_recounts
from backstay.scheduler.settle import settle
from backstay.scheduler.situation import Kind, Resource, Situation
from backstay.scheduler.summary import summarize
from backstay.scheduler.tickets import ban_without_tickets
from backstay.scheduler.transition import Blocked, Placed, PromotionScore, Transition
from backstay.scheduler.tree import every
from backstay.scheduler.unfencing import plan_unfencing
from backstay.state.choices import Role
from backstay.state.cluster import ClusterState


def schedule(state: ClusterState) -> Transition:
    """Everything that has to happen now, where everything belongs, and why."""
    situation, ledger = observe(state)
    return schedule_situation(situation, ledger)


def schedule_situation(situation: Situation, ledger: FailureLedger, *, with_ties: bool = False) -> Transition:
    """The same for a state already observed. The situation must be fresh: placing counts on its nodes. `with_ties` also says why
    actions wait for one another."""
    judge_tickets(situation)
    suspend_without_fencing(situation)
    journal = Journal()
    scores = base_scores(situation, ledger, journal)
    ban_without_tickets(scores)
    apply_locks(scores)
    links = Colocations(situation)
    assigner = Assigner(situation, scores, links)
    assigner.assign_clone = assign_clone
    assigner.capacity = Capacity(assigner)
    assigner.assign_all()
    plan = Plan(situation=situation, placement=_placement(assigner), ledger=ledger)
    _plan_actions(plan, scores, links)
    mark_handings(plan)
    settle(plan.actions)
    plan_recounts(plan)
    with plan.actions.because(Why.MIGRATION):
        plan_migrations(plan)
    with plan.actions.because(Why.NOTIFY):
        plan_notifications(plan)
    graph, acts = emit(plan)
    return Transition(
        graph=graph,
        ties=ties_of(graph, acts) if with_ties else (),
        placements=_placed(plan),
        changes=summarize(plan),
        score_rows=tuple(assigner.lines),
        promotion_scores=tuple(PromotionScore(*line) for line in assigner.promotion_lines),
        promotion_reasons=tuple(assigner.promotion_parts),
        reasons=journal.entries(),
        blocked=_blocked(plan),
        next_check=next_check(situation, ledger),
    )


def _placement(assigner: Assigner) -> Placement:
    node = {one: place for one, place in assigner.placed.items() if one.kind is Kind.PRIMITIVE}
    role = {
        one: Role.STOPPED if place is None else assigner.roles.get(one, Role.STARTED)
        for one, place in node.items()
    }
    return Placement(node=node, role=role)


def _plan_actions(plan: Plan, scores: Scores, links: Colocations) -> None:
    because = plan.actions.because
    with because(Why.FENCING):
        plan_fencing(plan)
    _plan_each(plan)
    with because(Why.PROBE):
        plan_probes(plan, scores)
    plan_orders(plan)
    with because(Why.PROBE):
        order_probes(plan)
    with because(Why.CONTAINER):
        order_containers(plan)
    with because(Why.ROOM):
        plan_load(plan, scores)
    tie_fates(plan, links)
    with because(Why.FENCING):
        plan_starts_after_fencing(plan)
        plan_stops_by_fencing(plan)
    with because(Why.UNFENCING):
        plan_unfencing(plan)
    with because(Why.SHUTDOWN):
        plan_shutdown(plan)
    with because(Why.CLEANUP):
        plan_failure_cleanup(plan)
    plan_lock_removal(plan)


def _plan_each(plan: Plan) -> None:
    """Resource by resource: primitives first, as groups and clones refer to what their members do."""
    resources = every(plan.situation)
    for resource in resources:
        if resource.kind is Kind.PRIMITIVE:
            plan_primitive(plan, resource)
    with plan.actions.because(Why.GROUP):
        for resource in resources:
            if resource.kind is Kind.GROUP:
                plan_group(plan, resource)
    with plan.actions.because(Why.CLONE):
        for resource in resources:
            if resource.kind is Kind.CLONE:
                plan_clone(plan, resource)


def _placed(plan: Plan) -> tuple[Placed, ...]:
    return tuple(
        Placed(leaf.id, None if (node := plan.target(leaf)) is None else node.name, plan.placement.role[leaf])
        for leaf in plan.situation.leaves()
        if leaf in plan.placement.role
    )


def _blocked(plan: Plan) -> tuple[Blocked, ...]:
    found = []
    for leaf in plan.situation.leaves():
        reason = _blocked_reason(plan, leaf)
        if reason:
            found.append(Blocked(leaf.id, reason))
    return tuple(found)


def _blocked_reason(plan: Plan, leaf: Resource) -> str:
    if leaf.blocked:
        return "failed, and on-fail is block"
    for operation in ("start", "stop", "promote", "demote"):
        for act in plan.actions.of(leaf, operation):
            if act.required and not act.runnable and not act.placeholder:
                return act.reason or act.obstacle or "a node can not yet be asked whether it runs there"
    return ""
