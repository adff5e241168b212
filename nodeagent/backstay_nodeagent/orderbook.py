"""The present plan: which of its orders wait, which are ready, and which never will be.

What an order waits for is counted once, when the plan comes; then the book is told of each order that began and each that ended, so
that a plan of a thousand orders costs a thousand steps, not a thousand for each of them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from backstay_nodeagent.ledger import Ledger, Result, ResultState
from backstay_nodeagent.operation import Instant
from backstay_nodeagent.orders import Order, Orders, Verb


class OrderBook:
    """Holds one state of the plan. Orders that vanish from it before they began never run, since nothing else remembers them.

    Whoever tells the ledger that an order began or ended tells the book too (`began`, `ended`)."""

    def __init__(self) -> None:
        self.orders: Orders | None = None
        self.refusal = ""
        """Why no order of this plan runs; empty when they may."""
        self.delayed_until = float("inf")
        """When the next order's startDelay will have passed, as of the last `ready`."""
        self._taken_at = float("-inf")
        self._ready: dict[str, Instant] = {}
        self._places: dict[str, int] = {}
        """Of the orders in the plan, by id."""
        self._index()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._places)

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

    # -- the plan, and what becomes of it

    def accept(self, orders: Orders, ledger: Ledger, instant: Instant) -> None:
        self._put(orders, "", instant)
        self._count(ledger)

    def refuse(self, orders: Orders, reason: str, instant: Instant) -> None:
        self._put(orders, reason, instant)

    def clear(self) -> None:
        self.orders, self.refusal, self._places = None, "", {}
        self._ready.clear()
        self._index()

    def began(self, order_id: str) -> None:
        """It runs: it waits no more."""
        if self._open.pop(order_id, None) is None:
            return
        place = self._places[order_id]
        self._delayed.discard(place)
        self._fresh.discard(place)
        self._books.discard(place)
        at = bisect_left(self._free, place)
        if at < len(self._free) and self._free[at] == place:
            del self._free[at]

    def ended(self, result: Result) -> None:
        """What waited for it is ready, or hopeless."""
        self.began(result.id)
        done = result.state is ResultState.DONE
        skipped = result.state is ResultState.SKIPPED
        for one in self._behind.pop(result.id, ()):
            if done:
                self._unmet[one] -= 1
                if self._unmet[one] == 0 and one in self._open:
                    self._release(self._places[one])
            elif skipped:
                self._lose(one, f"{result.id} was skipped")
            else:
                self._lose(one, f"{result.id} ended {result.state.value}")

    # -- questions

    def waiting(self) -> list[Order]:
        """Orders that may run and have not begun, in the order of the plan."""
        return list(self._open.values())

    def stops_of(self, resources: list[str]) -> list[Order]:
        """The plan's orders to stop these."""
        return [order for resource in resources for order in self._stops.get(resource, ())]

    def ready(self, instant: Instant, *, full: Callable[[], bool]) -> Iterator[Order]:
        """Those whose `after` have all succeeded and whose startDelay has passed, in the order of the plan. While the slots are `full`
        only what needs none, and what has become ready since the last time. Orders may begin and end meanwhile."""
        self._stamp(instant)
        seen = -1
        for place in self._free.copy():
            if full():
                break
            seen = place
            yield from self._look_at(place)
        for place in sorted(self._fresh | self._books):
            if place > seen:
                yield from self._look_at(place)

    def ready_since(self, order: Order) -> Instant | None:
        """Since when nothing but the queue stands in its way, startDelay included."""
        since = self._ready.get(order.id)
        delay_s = order.start_delay_ms / 1000
        return None if since is None else Instant(since.at + delay_s, since.wall + delay_s)

    def hopeless(self) -> list[tuple[Order, str]]:
        """Orders that wait for what did not succeed, with the reason. Each of them ends by that (`ended`), and then what waits for it
        is hopeless in turn."""
        lost = sorted((self._places[one], reason) for one, reason in self._lost.items() if one in self._open)
        self._lost.clear()
        return [(self._actions[place], reason) for place, reason in lost]

    def results(self, ledger: Ledger) -> Iterator[Result]:
        """What became of the orders of this plan, so far."""
        for order in self.orders.actions if self.orders else ():
            if self.refusal and not ledger.began(order.id):
                yield Result(id=order.id, state=ResultState.REFUSED, message=self.refusal)
            elif (result := ledger.result(order.id)) is not None:
                yield result

    # -- inside

    @property
    def _actions(self) -> Sequence[Order]:
        return self.orders.actions if self.orders else ()

    def _put(self, orders: Orders, refusal: str, instant: Instant) -> None:
        self.orders, self.refusal, self._taken_at = orders, refusal, instant.at
        self._places = {order.id: place for place, order in enumerate(orders.actions)}
        self._ready = {one: since for one, since in self._ready.items() if one in self._places}
        self._index()

    def _index(self) -> None:
        self._open: dict[str, Order] = {}
        """Orders that may run and have not begun."""
        self._unmet: dict[str, int] = {}
        self._behind: dict[str, list[str]] = defaultdict(list)
        self._stops: dict[str, list[Order]] = defaultdict(list)
        self._free: list[int] = []
        """Places of those that wait for nothing but a slot, ascending."""
        self._fresh: set[int] = set()
        """Of these, those that nobody has looked at."""
        self._books: set[int] = set()
        """Of these, those that take no process, and so no slot."""
        self._delayed: set[int] = set()
        """Places of those that wait for their startDelay alone."""
        self._lost: dict[str, str] = {}

    def _count(self, ledger: Ledger) -> None:
        """What every order waits for."""
        for place, order in enumerate(self._actions):
            if order.verb is Verb.STOP:
                self._stops[order.resource].append(order)
            if ledger.began(order.id):
                continue
            self._open[order.id] = order
            unmet = [one for one in order.after if not ledger.succeeded(one)]
            self._unmet[order.id] = len(unmet)
            for one in unmet:
                self._behind[one].append(order.id)
                if reason := self._failure(one, ledger):
                    self._lose(order.id, reason)
            if not unmet:
                self._release(place)

    def _failure(self, action_id: str, ledger: Ledger) -> str:
        result = ledger.result(action_id)
        if result is not None:
            return f"{action_id} ended {result.state.value}"
        known = action_id in self._places or ledger.began(action_id)
        return "" if known else f"{action_id} is not known here"

    def _lose(self, order_id: str, reason: str) -> None:
        self._lost.setdefault(order_id, reason)

    def _release(self, place: int) -> None:
        """It waits for no other order."""
        if self._actions[place].start_delay_ms:
            self._delayed.add(place)
        else:
            self._free_up(place)

    def _free_up(self, place: int) -> None:
        insort(self._free, place)
        self._fresh.add(place)
        if not self._actions[place].verb.needs_process:
            self._books.add(place)

    def _stamp(self, instant: Instant) -> None:
        """Note since when orders are ready, and let those go whose delay has passed."""
        self.delayed_until = float("inf")
        for place in self._fresh:
            self._ready.setdefault(self._actions[place].id, instant)
        for place in sorted(self._delayed):
            order = self._actions[place]
            since = self._ready.setdefault(order.id, instant)
            begin_at = since.at + order.start_delay_ms / 1000
            if instant.at >= begin_at:
                self._delayed.discard(place)
                self._free_up(place)
            else:
                self.delayed_until = min(self.delayed_until, begin_at)

    def _look_at(self, place: int) -> Iterator[Order]:
        self._fresh.discard(place)
        order = self._actions[place]
        if order.id in self._open:
            yield order
