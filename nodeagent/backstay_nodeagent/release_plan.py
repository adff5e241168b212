"""What the keeper shall run if the agent is not there when the node is cut off: the release, as whole commands, in JSON.

It is written before anything begins that changes it, so with every start: what it says of a resource is made once for each order and
parameters by which that resource runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from backstay_nodeagent.invocation import Invoker, NotHere
from backstay_nodeagent.orders import Order
from backstay_nodeagent.resources import ResourceBook, ResourceState, release_chains
from backstay_nodeagent.secret_store import SecretStore


@dataclass(frozen=True, slots=True)
class _Steps:
    """Of one resource, as text, and what they were made of."""

    order: Order
    promoted: bool
    params: Mapping[str, str]
    texts: tuple[str, ...]


class ReleasePlan:
    """Makes the plan's text, again and again."""

    def __init__(self, invoker: Invoker, secrets: SecretStore) -> None:
        self._invoker = invoker
        self._secrets = secrets
        self._steps: dict[str, _Steps] = {}

    def text(self, book: ResourceBook) -> str:
        """Chains of steps, in the order in which the agent would run them. What can't be run on this host is left out."""
        chains = []
        known: dict[str, _Steps] = {}
        for chain in release_chains(iter(book)):
            texts: list[str] = []
            for resource in chain:
                state = book.get(resource)
                if state is not None:
                    known[resource] = self._steps_of(state)
                    texts += known[resource].texts
            if texts:
                chains.append(f"[{', '.join(texts)}]")
        self._steps = known
        return f'{{"chains": [{", ".join(chains)}]}}'

    def _steps_of(self, state: ResourceState) -> _Steps:
        params = self._secrets.known_params(state.order)
        steps = self._steps.get(state.id)
        if (
            steps is not None
            and steps.order is state.order
            and (steps.promoted, steps.params) == (state.promoted, params)
        ):
            return steps
        orders = state.release_orders()
        found = [self._step(state.id, order) for order in orders]
        # What was not found on the host is looked for again next time.
        return _Steps(
            state.order if all(found) else orders[0], state.promoted, params, tuple(filter(None, found))
        )

    def _step(self, resource: str, order: Order) -> str:
        """Empty where the host has no such agent."""
        invocation = self._invoker.invocation(order, self._secrets.known_params(order))
        if isinstance(invocation, NotHere):
            return ""
        return json.dumps(
            {
                "resource": resource,
                "verb": order.verb.value,
                "argv": list(self._invoker.paths.argv(invocation.standard, invocation.argv)),
                "env": dict(invocation.env),
                "timeout_s": order.timeout_ms / 1000,
            }
        )
