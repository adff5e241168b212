"""What a node's plan says about one order."""

from __future__ import annotations

from collections.abc import Iterable

from backstay.api import HANodePlan
from backstay.api.plan import ActionResult


def result_of(plan: HANodePlan | None, order_id: str, boot_id: str) -> ActionResult | None:
    """The result, if the boot that was asked has reported one."""
    if plan is None or plan.status.boot_id != boot_id:
        return None
    results: Iterable[ActionResult] = plan.status.results
    return next((one for one in results if one.id == order_id), None)
