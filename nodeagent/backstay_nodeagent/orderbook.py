"""The present plan: which of its orders wait, which are ready, and which never will be."""

from __future__ import annotations

from collections.abc import Iterator

from backstay_nodeagent.ledger import Ledger, Result, ResultState
from backstay_nodeagent.operation import Instant
from backstay_nodeagent.orders import Order, Orders, Verb


class OrderBook:
    """Holds one state of the plan. Orders that vanish from it before they began never run, since nothing else remembers them."""

    def __init__(self) -> None:
        self.orders: Orders | None = None
        self.refusal = ""
        """Why no order of this plan runs; empty when they may."""
        self.delayed_until = float("inf")
        """When the next order's startDelay will have passed, as of the last `ready`."""
        self._ids: frozenset[str] = frozenset()
        self._ready: dict[str, Instant] = {}
        self._taken_at = float("-inf")

    @property
    def ids(self) -> frozenset[str]:
        return self._ids

    @property
    def generation(self) -> int:
        return self.orders.generation if self.orders else 0

    def outdated(self, orders: Orders) -> bool:
        """Whether this state of the plan is older than, or the same as, the one at hand."""
        known = self.orders
        if known is None or known.uid != orders.uid or orders.epoch > known.epoch:
            return False
        return orders.generation <= known.generation

    def contradicted(self, orders: Orders, read_at: float | None) -> bool:
        """Whether a fresh read, sent after we took the plan at hand, shows one from before it: the API has lost ours (a restored
        etcd)."""
        known = self.orders
        if known is None or known.uid != orders.uid or read_at is None or read_at <= self._taken_at:
            return False
        return orders.generation < known.generation or (
            orders.generation == known.generation and orders != known
        )

    def accept(self, orders: Orders, instant: Instant) -> None:
        self._put(orders, "", instant)

    def refuse(self, orders: Orders, reason: str, instant: Instant) -> None:
        self._put(orders, reason, instant)

    def clear(self) -> None:
        self.orders, self.refusal, self._ids = None, "", frozenset()
        self._ready.clear()

    def waiting(self, ledger: Ledger) -> list[Order]:
        """Orders that may run and have not begun, in the order of the plan."""
        if self.orders is None or self.refusal:
            return []
        return [order for order in self.orders.actions if not ledger.began(order.id)]

    def stops_of(self, resources: list[str]) -> list[Order]:
        """The plan's orders to stop these."""
        orders = self.orders.actions if self.orders and not self.refusal else ()
        return [order for order in orders if order.verb is Verb.STOP and order.resource in resources]

    def ready(self, ledger: Ledger, instant: Instant) -> list[Order]:
        """Those whose `after` have all succeeded and whose startDelay has passed."""
        self.delayed_until = float("inf")
        ready = []
        for order in self.waiting(ledger):
            if not all(ledger.succeeded(one) for one in order.after):
                continue
            since = self._ready.setdefault(order.id, instant)
            begin_at = since.at + order.start_delay_ms / 1000
            if instant.at >= begin_at:
                ready.append(order)
            else:
                self.delayed_until = min(self.delayed_until, begin_at)
        return ready

    def ready_since(self, order: Order) -> Instant | None:
        """Since when nothing but the queue stands in its way, startDelay included."""
        since = self._ready.get(order.id)
        delay_s = order.start_delay_ms / 1000
        return None if since is None else Instant(since.at + delay_s, since.wall + delay_s)

    def hopeless(self, ledger: Ledger) -> list[tuple[Order, str]]:
        """Orders that wait for what did not succeed, with the reason, including those that wait for such in turn."""
        lost: dict[str, str] = {}
        found: list[tuple[Order, str]] = []
        waiting = self.waiting(ledger)
        while True:
            before = len(found)
            for order in waiting:
                reason = next((why for one in order.after if (why := self._failure(one, ledger, lost))), "")
                if reason and order.id not in lost:
                    lost[order.id] = f"{order.id} was skipped"
                    found.append((order, reason))
            if len(found) == before:
                return found

    def results(self, ledger: Ledger) -> Iterator[Result]:
        """What became of the orders of this plan, so far."""
        for order in self.orders.actions if self.orders else ():
            if self.refusal and not ledger.began(order.id):
                yield Result(id=order.id, state=ResultState.REFUSED, message=self.refusal)
            elif (result := ledger.result(order.id)) is not None:
                yield result

    def _failure(self, action_id: str, ledger: Ledger, lost: dict[str, str]) -> str:
        if action_id in lost:
            return lost[action_id]
        result = ledger.result(action_id)
        if result is not None:
            return "" if result.state is ResultState.DONE else f"{action_id} ended {result.state.value}"
        known = action_id in self._ids or ledger.began(action_id)
        return "" if known else f"{action_id} is not known here"

    def _put(self, orders: Orders, refusal: str, instant: Instant) -> None:
        self.orders, self.refusal, self._taken_at = orders, refusal, instant.at
        self._ids = frozenset(order.id for order in orders.actions)
        self._ready = {one: since for one, since in self._ready.items() if one in self._ids}
