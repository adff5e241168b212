"""Stopping, unordered, what others may take over once the lease has expired.

Chains run side by side, a chain one resource at a time, newest first. A stop that fails is not repeated and does not hold the
chain: what follows may still get out in time. Whatever remains active is said so by the history; `clean` tells whether nothing
does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstay_nodeagent.orders import Order, Verb
from backstay_nodeagent.resources import ResourceBook


@dataclass(slots=True)
class _Chain:
    waiting: list[str]
    tried: list[Verb] = field(default_factory=list)


class Release:
    """One release, from being cut off until every chain has ended."""

    def __init__(self, chains: list[list[str]]) -> None:
        self._chains = [_Chain(list(chain)) for chain in chains]
        self.clean = True
        self.broken_off = False

    @property
    def done(self) -> bool:
        return not any(chain.waiting for chain in self._chains)

    def next_steps(self, book: ResourceBook) -> list[Order]:
        """For each chain the step whose turn it is, whether or not its resource is idle. Passes over what has stopped meanwhile."""
        steps = []
        for chain in self._chains:
            step = self._next_of(chain, book)
            if step is not None:
                steps.append(step)
        return steps

    def began(self, order: Order) -> None:
        """The step returned for this resource runs now; it won't be returned again."""
        for chain in self._chains:
            if chain.waiting and chain.waiting[0] == order.resource:
                chain.tried.append(order.verb)

    def break_off(self) -> None:
        """The lease is good again before anyone could take over: leave the rest running."""
        self.broken_off = not self.done
        for chain in self._chains:
            chain.waiting.clear()

    def _next_of(self, chain: _Chain, book: ResourceBook) -> Order | None:
        while chain.waiting:
            state = book.get(chain.waiting[0])
            if state is not None and state.active:
                for order in state.release_orders():
                    if order.verb not in chain.tried:
                        return order
                if state.running is not None:
                    return None
                self.clean = False
            chain.waiting.pop(0)
            chain.tried.clear()
        return None
