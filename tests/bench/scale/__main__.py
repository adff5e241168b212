"""What a large cluster costs on a real API server: CPU, memory, writes, and how long a failover takes.

``python -m bench.scale [--sizes 100x10,1000x50,...] [--minutes N] [--markdown FILE]``, with ``tests`` on the path. Resources
(pretended, in groups of five) x nodes (real brains with their own tokens, connections, Leases and plans, all in one process). A
failover is the time from a node's last renewal to the last start ordered. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backstay_sandbox.controlplane import binaries
from backstay_sandbox.controlplane.plane import ControlPlaneError
from bench.failover.report import write_generated
from bench.scale.bed import Bed, ScaleError, bed, heartbeat_of
from bench.scale.report import markdown

SIZES = ((100, 10), (300, 10), (1000, 10), (300, 50), (1000, 50), (300, 100), (1000, 100), (100, 200))
SETTLE_S = 10.0
REST_S = 20.0
PLACE_TIMEOUT_S = 600.0
FAILOVER_TIMEOUT_S = 120.0
KILLS = 3
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench-scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="", help="RESOURCESxNODES,... (default: the whole table)")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="a size is not begun after (default: %(default)s)"
    )
    parser.add_argument("--markdown", type=Path, help="file whose table is rewritten")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with it
    found = binaries.prepare(lambda step: print(f"- {step}", flush=True))
    rows: list[Figures] = []
    end = time.monotonic() + options.minutes * 60
    for resources, nodes in sizes_of(options.sizes) or SIZES:
        if time.monotonic() > end:
            print(f"- {resources} x {nodes} is left out: the time is up", flush=True)
            continue
        try:
            with (
                tempfile.TemporaryDirectory(prefix="bench-scale-") as directory,
                bed(found, Path(directory), nodes) as made,
            ):
                rows.append(measure(made, resources))
        except (ScaleError, ControlPlaneError) as error:
            print(f"- {resources} x {nodes} failed: {error}", file=sys.stderr, flush=True)
            continue
        print(f"- {json.dumps(rows[-1])}", flush=True)
    if options.markdown:
        write_generated(options.markdown, markdown(rows))
    print(json.dumps(rows))


def sizes_of(text: str) -> list[tuple[int, int]]:
    """`100x10,1000x50` as pairs. Raises ValueError."""
    return [tuple(map(int, one.split("x"))) for one in text.split(",") if one]  # type: ignore[misc]


def measure(made: Bed, resources: int) -> Figures:
    """Place everything, look at it at rest, kill nodes."""
    nodes = len(made.nodes)
    print(f"- {resources} resources on {nodes} nodes", flush=True)
    before, costs, began = made.revision(), made.costs(), time.monotonic()
    made.apply_groups(resources)
    made.hear_until(
        lambda one: one["what"] == "totals" and one["active"] >= resources,
        f"{resources} resources started",
        timeout_s=PLACE_TIMEOUT_S,
    )
    took = time.monotonic() - began
    placed = {
        "seconds": round(took, 1),
        "writes": made.revision() - before,
        "operator_cpu_s": round(made.costs()["operator"].cpu_s - costs["operator"].cpu_s, 1),
    }
    time.sleep(SETTLE_S)
    return {
        "resources": resources,
        "nodes": nodes,
        "lease_s": heartbeat_of(nodes).lease_s,
        "first_placement": placed,
        "at_rest": at_rest(made),
        "failover": failovers(made, resources),
        "largest_plan_kib": round(made.largest_plan() / 1024),
        "memory_mib": {name: round(one.memory / 2**20) for name, one in made.costs().items()},
    }


def at_rest(made: Bed) -> Figures:
    """Per cent of one core, and writes per second."""
    before, costs, began = made.revision(), made.costs(), time.monotonic()
    time.sleep(REST_S)
    took, writes = time.monotonic() - began, made.revision() - before
    after = made.costs()
    figures = {
        f"{name}_cpu_percent": round((after[name].cpu_s - costs[name].cpu_s) / took * 100, 1)
        for name in costs
    }
    return {"writes_per_s": round(writes / took, 1), **figures}


def failovers(made: Bed, resources: int) -> Figures:
    """Kill nodes one after another: from the last renewal to the last start ordered (and to the end of all of it)."""
    ordered, writes, moved, cpu_s = [], [], [], []
    for victim in made.nodes[1 : KILLS + 1]:
        before, costs = made.revision(), made.costs()
        made.order("kill", victim)
        killed = made.hear("killed", timeout_s=30.0)
        after = made.hear_until(
            lambda one: one["what"] == "totals" and one["active"] >= resources,
            f"all resources of {victim} elsewhere",
            timeout_s=FAILOVER_TIMEOUT_S,
        )
        ordered.append(after["last_start"] - killed["renewed_at"])
        moved.append(killed["ran"])
        time.sleep(2.0)
        writes.append(made.revision() - before)
        cpu_s.append(made.costs()["operator"].cpu_s - costs["operator"].cpu_s)
    return {
        "last_start_s": [round(one, 2) for one in ordered],
        "moved": moved,
        "writes": writes,
        "operator_cpu_s": [round(one, 2) for one in cpu_s],
    }


if __name__ == "__main__":
    main()
