"""Members that are to leave, and when they have left (design note 0013).

A leaving member is drained like one in standby, counts as before, and is fenced like any other. It has left once it is proven that it
runs nothing: it answered the DC's last plan and says so, or its last boot is over. Only then its objects are deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from backstay.api import HANode, HANodePlan
from backstay.coordinator.membership import Membership, NodeView
from backstay.coordinator.orders import PlanBook
from backstay.liveness.leases import Pulse
from backstay.liveness.nodes import NodeCondition
from backstay.state.assemble import Objects

NAMED_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaver:
    """A member that has left. uid and resourceVersion are those of its objects when that was judged; empty: there was none."""

    node: str
    proof: str
    plan_uid: str = ""
    plan_version: str = ""
    node_uid: str = ""


def leavers_of(
    seen: Objects, completed: Objects, membership: Membership, book: PlanBook, *, busy: Collection[str]
) -> list[Leaver]:
    """`seen`: the objects as the API holds them; `completed`: with what is remembered. `busy`: nodes to which the transition under way
    may be about to send something; what it does elsewhere keeps no member from leaving."""
    nodes = {node.metadata.name: node for node in seen.nodes}
    found = []
    for name in completed.leaving:
        if name in busy:
            continue
        view = membership.nodes.get(name)
        proof = _proof(view, completed.plans.get(name), book) if view is not None else ""
        if proof:
            found.append(_leaver(name, proof, seen.plans.get(name), nodes.get(name)))
    return found


def _leaver(name: str, proof: str, plan: HANodePlan | None, node: HANode | None) -> Leaver:
    return Leaver(
        node=name,
        proof=proof,
        plan_uid=plan.metadata.uid if plan is not None else "",
        plan_version=plan.metadata.resource_version if plan is not None else "",
        node_uid=node.metadata.uid if node is not None else "",
    )


def _proof(view: NodeView, plan: HANodePlan | None, book: PlanBook) -> str:
    """Why it certainly runs nothing; empty: it may."""
    if view.unaccounted or view.braked:
        return ""
    if view.verdict.condition is NodeCondition.OFFLINE:
        return view.verdict.reason if view.pulse in (Pulse.EXPIRED, Pulse.ABSENT) else ""
    if not view.usable or not view.fresh or view.stale or view.lost or view.may_run or plan is None:
        return ""
    answered = {result.id for result in plan.status.results}
    ordered = {action.id for action in plan.spec.actions} | set(book.holds(view.name))
    caught_up = plan.status.observed_generation >= plan.metadata.generation
    return (
        "it has stopped everything" if caught_up and not plan.status.pending and ordered <= answered else ""
    )


def leaving_words(view: NodeView, why: str) -> str:
    """For its status: why it leaves, and what for it waits."""
    rest = sorted(view.may_run)
    named = ", ".join(rest[:NAMED_MAX]) + (
        f" and {len(rest) - NAMED_MAX} more" if len(rest) > NAMED_MAX else ""
    )
    waits = f"it may still run {named}" if rest else view.verdict.reason
    return f"it leaves the cluster: {why}; it stays a member until it is proven to run nothing ({waits})"
