"""What the keeper shall run if the agent is not there when the node is cut off: the release, as whole commands."""

from __future__ import annotations

from typing import Any

from backstay_nodeagent.invocation import Invoker, NotHere
from backstay_nodeagent.resources import ResourceBook, release_chains
from backstay_nodeagent.secret_store import SecretStore


def release_plan(book: ResourceBook, invoker: Invoker, secrets: SecretStore) -> dict[str, Any]:
    """Chains of steps, in the order in which the agent would run them. What can't be run on this host is left out."""
    chains = []
    for chain in release_chains(iter(book)):
        steps = []
        for resource in chain:
            state = book.get(resource)
            for order in state.release_orders() if state is not None else ():
                invocation = invoker.invocation(order, secrets.known_params(order))
                if isinstance(invocation, NotHere):
                    continue
                steps.append(
                    {
                        "resource": resource,
                        "verb": order.verb.value,
                        "argv": list(invoker.paths.argv(invocation.standard, invocation.argv)),
                        "env": dict(invocation.env),
                        "timeout_s": order.timeout_ms / 1000,
                    }
                )
        if steps:
            chains.append(steps)
    return {"chains": chains}
