"""What Backstay costs when nothing happens: one agent and one operator with RESOURCES Dummy resources, monitored every 30 s.

``python -m bench.failover.idle [--seconds N]`` as root, with ``tests`` on the path.  Ends with one line of JSON.  CPU is in per
cent of one core; an agent's own process, its keeper, and the resource agents it runs (shell scripts) are told apart.  Memory is
the proportional set size, so that what processes share counts once.  API writes are what the API server's revision says.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay.api import API_VERSION
from backstay_sandbox import background, requirements
from backstay_sandbox.control import ControlError
from bench.failover.backstay import Backstay
from bench.failover.bed import Bed, BenchError, await_nothing_missing

RESOURCES = 100
START_TIMEOUT_S = 180.0
CALM_S = 35.0
"""Longer than a monitor's interval: all monitors have found their rhythm."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one process: own CPU seconds, those of children that ended, and bytes of memory."""

    own_s: float
    children_s: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench-idle", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring (default: %(default)s)")
    options = parser.parse_args()
    complaints = requirements.complaints(requirements.ALL)
    if complaints:
        print(complaints, file=sys.stderr)
        sys.exit(1)
    try:
        with Bed(name="bench-idle", nodes=1) as bed:
            figures = measure(bed, options.seconds)
    except (BenchError, ControlError, background.StartError) as error:
        print(f"the bench failed: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(figures))


def measure(bed: Bed, seconds: float) -> dict[str, Any]:
    """Bring up, start everything, let it come to rest, and read twice."""
    backstay = Backstay(bed, name="idle", resources=[dummy(number) for number in range(RESOURCES)])
    backstay.bring_up()
    await_nothing_missing(lambda: missing(backstay), timeout_s=START_TIMEOUT_S)
    print(f"- {RESOURCES} resources are started; at rest in {CALM_S:.0f} s", flush=True)
    time.sleep(CALM_S)
    before, writes_before, began = readings(bed), backstay.api_revision(), time.monotonic()
    time.sleep(seconds)
    after, writes_after, took = readings(bed), backstay.api_revision(), time.monotonic() - began

    def percent(name: str) -> float:
        return round((after[name].own_s - before[name].own_s) / took * 100, 2)

    return {
        "resources": RESOURCES,
        "seconds": round(took, 1),
        "agent": {
            "cpu_percent": percent("agent"),
            "resource_agents_cpu_percent": round(
                (after["agent"].children_s - before["agent"].children_s) / took * 100, 2
            ),
            "memory_mib": round(after["agent"].memory / 2**20, 1),
        },
        "keeper": {
            "cpu_percent": percent("keeper"),
            "memory_mib": round(after["keeper"].memory / 2**20, 1),
        },
        "operator": {
            "cpu_percent": percent("operator"),
            "memory_mib": round(after["operator"].memory / 2**20, 1),
        },
        "api_writes_per_s": round((writes_after - writes_before) / took, 2),
    }


def dummy(number: int) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "HAResource",
        "metadata": {"name": f"dummy-{number:03d}", "namespace": "default"},
        "spec": {
            "agent": "ocf:heartbeat:Dummy",
            "params": {"state": f"/run/dummy-{number:03d}"},
            "operations": [{"name": "monitor", "interval": "30s", "timeout": "20s"}],
        },
    }


def missing(backstay: Backstay) -> str:
    started = sum(role == "Started" for role in backstay.roles())
    return "" if started == RESOURCES else f"all to be started ({started} are)"


def readings(bed: Bed) -> dict[str, Reading]:
    """The host's daemons by name."""
    found: dict[str, Reading] = {}
    pid_of_init = bed.pids()[bed.nodes[0]]
    namespace = os.readlink(f"/proc/{pid_of_init}/ns/pid")
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        name = daemon_name(entry, namespace)
        if name:
            found[name] = reading(entry)
    if set(found) != {"agent", "keeper", "operator"}:
        raise BenchError(f"of agent, keeper and operator only these run: {', '.join(found) or 'none'}")
    return found


def daemon_name(process: Path, namespace: str) -> str:
    """Empty for what is no daemon of that PID namespace."""
    try:
        if os.readlink(process / "ns/pid") != namespace:
            return ""
        line = (process / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""  # it ended while we looked
    for part, name in (
        ("backstay_nodeagent.heartbeat", "keeper"),
        ("-m backstay_nodeagent", "agent"),
        ("-m backstay_operator", "operator"),
    ):
        if part in line:
            return name
    return ""


def reading(process: Path) -> Reading:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = (int(word) / TICKS_PER_S for word in fields[11:15])
    rollup = (process / "smaps_rollup").read_text()
    kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return Reading(user + system, children_user + children_system, kilobytes * 1024)


if __name__ == "__main__":
    main()
