"""`make bench-worst-step`: what the costliest objects that the API accepts add to a step of the DC.

Each case is one object at the maxima of its CRD, in a cluster of so many nodes with twenty plain resources. A first
step, for which nothing is kept from an earlier one, is taken on trial, as the DC's last guard does it: judge,
assemble, verify, schedule, explain.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backstay.api import HACluster, HAConstraint, HANode, HAResource, ResourceGroup
from backstay.api.resource import COPIES_MAX
from backstay.coordinator import View, error_of_trial
from backstay.liveness import LeaseTracker, NodeLease
from backstay.state.assemble import Objects

PLAIN = 20
MARK = "<!-- worst-step -->"
Cases = dict[str, Callable[[], dict[str, Any]]]


def main() -> None:
    """Measure each case; print the table, or write it into a page."""
    parser = argparse.ArgumentParser(prog="bench.worst_step", description=__doc__)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--markdown", type=Path, default=None, help="page with a table between two marks")
    options = parser.parse_args()
    rows = [f"| case, on {options.nodes} nodes | seconds of a first step |", "|---|---:|"]
    for name, case in CASES.items():
        rows.append(f"| {name} | {measured(case(), options.nodes):.2f} |")
        print(rows[-1], flush=True)
    if options.markdown is not None:
        head, _, rest = options.markdown.read_text().partition(MARK)
        tail = rest.partition(MARK)[2]
        options.markdown.write_text(f"{head}{MARK}\n" + "\n".join(rows) + f"\n{MARK}{tail}")


def measured(extra: dict[str, Any], nodes: int) -> float:
    """Seconds of CPU, the best of two. Raises what the step raises."""
    names = [f"n{number}" for number in range(nodes)]
    tracker = LeaseTracker(read_gap_s=10.0)
    for at in (99.0, 100.0):
        tracker.read_succeeded(at)
        for name in names:
            lease = NodeLease(node=name, token=str(at), boot_id=f"boot-{name}", duration_s=30.0)
            tracker.observe(lease, at)
    objects = Objects(
        cluster=HACluster.parse({"metadata": {"name": "c", "uid": "c"}}),
        nodes=tuple(HANode.parse({"metadata": {"name": name, "uid": name}}) for name in names),
        resources=(*(plain(f"p{number}") for number in range(PLAIN)), *extra.get("resources", ())),
        groups=extra.get("groups", ()),
        constraints=extra.get("constraints", ()),
    )
    view = View(now=100.0, wall=1_790_000_000.0, objects=objects)
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        error = error_of_trial(view, objects, tracker)
        if error is not None:
            raise error
        best = min(best, time.process_time() - began)
    return best


def plain(name: str, **spec: Any) -> HAResource:
    """A resource like any other."""
    metadata = {"name": name, "namespace": "default", "uid": name}
    return HAResource.parse({"metadata": metadata, "spec": {"agent": "ocf:heartbeat:Dummy", **spec}})


def constraint(name: str, **spec: Any) -> HAConstraint:
    """One constraint."""
    return HAConstraint.parse({"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec})


def largest_rule() -> dict[str, Any]:
    """As many expressions as a rule may have."""
    one = {"attribute": "a", "operation": "lt", "type": "version", "value": "1." * 500}
    return {"booleanOp": "or", "expressions": [one] * 32, "rules": [{"expressions": [one] * 32}] * 16}


def sets_of(count: int, size: int) -> list[dict[str, Any]]:
    """Resource sets over the plain resources."""
    members = [f"p{number}" for number in range(PLAIN)]
    return [{"resources": (members * 4)[:size], "sequential": False} for _ in range(count)]


CASES: Cases = {
    "nothing but the plain resources": dict,
    f"a clone with max {COPIES_MAX}, one per node": lambda: {
        "resources": (plain("big", clone={"max": COPIES_MAX}),)
    },
    f"a globally unique clone with {COPIES_MAX} instances": lambda: {
        "resources": (plain("big", clone={"max": COPIES_MAX, "nodeMax": COPIES_MAX, "globallyUnique": True}),)
    },
    "a promotable clone of that size": lambda: {
        "resources": (plain("big", clone={"max": COPIES_MAX, "promotable": True, "promotedMax": COPIES_MAX}),)
    },
    "a group of 64 members": lambda: {
        "groups": (
            ResourceGroup.parse(
                {
                    "metadata": {"name": "g", "namespace": "default", "uid": "g"},
                    "spec": {
                        "members": [
                            {"name": f"m{n}", "template": {"agent": "ocf:heartbeat:Dummy"}} for n in range(64)
                        ]
                    },
                }
            ),
        )
    },
    "an order of 16 sets of 64": lambda: {"constraints": (constraint("o", order={"sets": sets_of(16, 64)}),)},
    "a colocation of 16 sets of 64": lambda: {
        "constraints": (constraint("o", colocation={"sets": sets_of(16, 64)}),)
    },
    "a pattern at its longest, with 16 of the largest rules": lambda: {
        "constraints": (
            constraint("l", location={"resourcePattern": "(.*)" * 250, "rules": [largest_rule()] * 16}),
        )
    },
}


if __name__ == "__main__":
    main()
