"""The book that is told of each beginning and end says the same as one that counts everything anew each time."""

from __future__ import annotations

import random

import pytest

from backstay_nodeagent.ledger import Ledger, Result, ResultState
from backstay_nodeagent.operation import Instant
from backstay_nodeagent.orderbook import OrderBook
from backstay_nodeagent.orders import Order, Orders
from unit.nodeagent.brain_driver import order

NOW = Instant(100.0, 1000.0)


def plan(*actions: Order, generation: int = 1) -> Orders:
    return Orders(uid="u", generation=generation, cluster="c", epoch=1, boot_id="b", actions=actions)


class Book:
    """An OrderBook and its ledger, told alike."""

    def __init__(self) -> None:
        self.book, self.ledger = OrderBook(), Ledger()

    def begin(self, id_: str) -> None:
        self.ledger.begin(id_)
        self.book.began(id_)

    def end(self, id_: str, state: ResultState = ResultState.DONE) -> None:
        result = Result(id=id_, state=state)
        self.ledger.end(result)
        self.book.ended(result)

    def ready(self, *, full: bool = False) -> list[str]:
        return [one.id for one in self.book.ready(NOW, full=lambda: full)]

    # -- the same, counted anew

    def waiting(self) -> list[Order]:
        assert self.book.orders is not None
        return [one for one in self.book.orders.actions if not self.ledger.began(one.id)]

    def ready_anew(self) -> list[str]:
        return [one.id for one in self.waiting() if all(map(self.ledger.succeeded, one.after))]

    def hopeless_anew(self) -> set[str]:
        assert self.book.orders is not None
        known = {one.id for one in self.book.orders.actions}
        lost: set[str] = set()
        for one in self.waiting():  # in these plans, what an order waits for stands before it
            for before in one.after:
                result = self.ledger.result(before)
                failed = result is not None and result.state is not ResultState.DONE
                unknown = before not in known and not self.ledger.began(before)
                if before in lost or failed or unknown:
                    lost.add(one.id)
        return lost


def random_plan(dice: random.Random, generation: int, before: tuple[Order, ...]) -> Orders:
    kept = tuple(one for one in before if dice.random() < 0.4)
    fresh: list[Order] = []
    for number in range(dice.randrange(1, 12)):
        earlier = [one.id for one in (*kept, *fresh)] + (["9-9-9"] if dice.random() < 0.05 else [])
        after = tuple(one for one in earlier if dice.random() < 0.3)
        verb = dice.choice(("start", "stop", "monitor", "cancel"))
        fresh.append(order(f"1-{generation}-{number}", verb, f"r{number}", after=after))
    return plan(*kept, *fresh, generation=generation)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_bit_by_bit_is_what_is_counted_anew(seed: int) -> None:
    dice, made = random.Random(seed), Book()
    actions: tuple[Order, ...] = ()
    for generation in range(1, 15):
        orders = random_plan(dice, generation, actions)
        actions = orders.actions
        made.book.accept(orders, made.ledger, NOW)
        running: list[str] = [one.id for one in actions if made.ledger.began(one.id)]
        running = [one for one in running if made.ledger.result(one) is None]
        for _ in range(dice.randrange(12)):
            expected = made.hopeless_anew()
            while found := made.book.hopeless():
                for one, _ in found:
                    expected.discard(one.id)
                    made.end(one.id, ResultState.SKIPPED)
            assert not expected
            assert [one.id for one in made.book.waiting()] == [one.id for one in made.waiting()]
            assert made.ready() == made.ready_anew()
            if running and dice.random() < 0.5:
                ended = running.pop(dice.randrange(len(running)))
                made.end(ended, dice.choice((ResultState.DONE, ResultState.DONE, ResultState.FAILED)))
            elif ready := made.ready():
                running.append(dice.choice(ready))
                made.begin(running[-1])


def test_while_the_slots_are_full_each_order_is_looked_at_once() -> None:
    made = Book()
    made.book.accept(plan(*(order(f"1-1-{n}", "monitor", f"r{n}") for n in range(500))), made.ledger, NOW)
    assert len(made.ready(full=True)) == 500
    assert made.ready(full=True) == []
    made.begin("1-1-0")
    made.end("1-1-0")
    assert made.ready(full=True) == []
    assert len(made.ready()) == 499


def test_what_takes_no_slot_is_looked_at_again_while_the_slots_are_full() -> None:
    made = Book()
    made.book.accept(plan(order("1-1-0", "forget"), order("1-1-1", "start")), made.ledger, NOW)
    assert made.ready(full=True) == ["1-1-0", "1-1-1"]
    assert made.ready(full=True) == ["1-1-0"]


def test_what_fills_the_slots_leaves_what_comes_behind_it() -> None:
    made = Book()
    made.book.accept(plan(*(order(f"1-1-{n}", "start", f"r{n}") for n in range(5))), made.ledger, NOW)
    assert made.ready(full=True) == [f"1-1-{n}" for n in range(5)]
    begun: list[str] = []
    for one in made.book.ready(NOW, full=lambda: len(begun) >= 2):
        begun.append(one.id)
        made.begin(one.id)
    assert begun == ["1-1-0", "1-1-1"]
    assert made.ready() == ["1-1-2", "1-1-3", "1-1-4"]


def test_an_order_of_a_refused_plan_is_neither_ready_nor_waiting() -> None:
    made = Book()
    made.book.refuse(plan(order("1-1-0", "start")), "an old epoch", NOW)
    assert made.ready() == []
    assert made.book.waiting() == []
    assert made.book.hopeless() == []
