"""What a node's plan says about one order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from backstay.api import HANodePlan
from backstay.api.plan import ActionResult
from backstay.state.kept import Kept


class Answers:
    """What one node's plan says about all orders, found once per state of its status."""

    def __init__(self) -> None:
        self._results: Kept[Mapping[str, ActionResult]] = Kept()
        self._pending: Kept[Collection[str]] = Kept()

    def result(self, plan: HANodePlan | None, order_id: str, boot_id: str) -> ActionResult | None:
        """As result_of."""
        if plan is None or plan.status.boot_id != boot_id:
            return None
        results = plan.status.results
        return self._results.of((results,), lambda: {one.id: one for one in results}).get(order_id)

    def is_pending(self, plan: HANodePlan | None, order_id: str) -> bool:
        """Whether it runs, by the status."""
        if plan is None:
            return False
        pending = plan.status.pending
        return order_id in self._pending.of((pending,), lambda: frozenset(one.action_id for one in pending))


def result_of(plan: HANodePlan | None, order_id: str, boot_id: str) -> ActionResult | None:
    """The result, if the boot that was asked has reported one."""
    if plan is None or plan.status.boot_id != boot_id:
        return None
    results: Iterable[ActionResult] = plan.status.results
    return next((one for one in results if one.id == order_id), None)
