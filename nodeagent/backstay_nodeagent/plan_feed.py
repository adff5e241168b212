"""Hands the plan to the brain as it comes from the API, and the API's acknowledgements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from backstay_nodeagent import events as ev
from backstay_nodeagent.agent import Hands
from backstay_nodeagent.orders import Orders
from backstay_nodeagent.plan_reader import orders_of

log = logging.getLogger(__name__)


def _nothing() -> None:
    pass


def _look_away(_plan: dict[str, Any], _read_at: float) -> None:
    pass


class PlanFeed:
    """`on_new_plan` is called when the plan is another object than before, `on_fresh` with each plan of a read known to be fresh, and
    when that was sent; both before its orders are taken."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._uid = ""
        self._unreadable = 0
        self._known: tuple[str, int, Any, Orders] | None = None
        """Uid, generation and spec of the plan as read last, and what it orders."""
        self.on_new_plan: Callable[[], None] = _nothing
        self.on_fresh: Callable[[dict[str, Any], float], None] = _look_away
        self.heard = asyncio.Event()
        """Set once it is known what the plan says. A status from before would lack the results of what the plan still names."""

    def take(self, plan: dict[str, Any] | None, read_at: float | None) -> None:
        """A plan as read (None: there is none)."""
        self._take(plan, read_at)
        self.heard.set()

    def _take(self, plan: dict[str, Any] | None, read_at: float | None) -> None:
        if plan is None:
            if self._hands.brain.book.orders is not None:
                log.warning("there is no plan for this node")
            self._hands.post(ev.OrdersGone(read_at))
            return
        uid = plan["metadata"].get("uid", "")
        if uid != self._uid:
            self._uid = uid
            self.on_new_plan()
        if read_at is not None:
            self.on_fresh(plan, read_at)
        try:
            orders = self._orders_of(plan)
        except ValueError as error:
            generation = plan["metadata"].get("generation", 0)
            if generation != self._unreadable:
                self._unreadable = generation
                log.error(
                    "plan can't be read", extra={"fields": {"generation": generation, "error": str(error)}}
                )
            return
        self._hands.post(ev.OrdersSeen(orders, read_at))

    def _orders_of(self, plan: dict[str, Any]) -> Orders:
        """Raises ValueError. With every status that this node writes its plan comes back, and says the same."""
        generation = plan["metadata"].get("generation", 0)
        known = self._known
        if (
            known is not None
            and (known[0], known[1]) == (self._uid, generation)
            and known[2] == plan.get("spec")
        ):
            return known[3]
        orders = orders_of(plan)
        self._known = (self._uid, generation, plan.get("spec"), orders)
        return orders

    def status_written(self, status: dict[str, Any]) -> None:
        self._hands.post(ev.StatusWritten(status["observedGeneration"], status["released"]))
