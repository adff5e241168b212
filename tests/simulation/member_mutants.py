"""What keeps a member until it is proven to run nothing, broken on purpose (see mutants.py)."""

from __future__ import annotations

from backstay.coordinator import coordinator, leaving, membership, recall
from backstay_operator import world


def left_is_gone() -> None:
    """Whose Node does not match any more is no member, whatever runs there."""
    world.holders_of = lambda plans, hanodes, clusters: {}  # type: ignore[attr-defined]
    recall.Recall.complete = lambda self, objects, **_memory: recall.Recalled(objects=objects)  # type: ignore[method-assign]


def let_go_at_once() -> None:
    """The objects of a leaving member are deleted without a proof that it runs nothing."""
    leaving._proof = lambda _view, _plan, _book: "nobody asked"
    coordinator.leavers_of = leaving.leavers_of  # type: ignore[attr-defined]


def lost_plan_is_empty() -> None:
    """A plan that was deleted or cannot be read is taken for the report of a node that runs nothing."""
    recall.Recall.complete = lambda self, objects, **_memory: recall.Recalled(objects=objects)  # type: ignore[method-assign]
    membership.MembershipKeeper._is_unknown = lambda self, node, plan: False  # type: ignore[method-assign]
