"""The same three faults under Backstay and under Pacemaker: crash, cut, freeze of the host that runs the tutorial's group.

``python -m faults.peers [--runs N] [--only NAME,...] [--markdown FILE]`` as root, with ``tests`` on the path. Ends with one line of
JSON: per contender and fault the seconds without the page (median, worst), and for how long anything was active on two hosts.

A host that was cut or frozen comes back (its cable, or its processes) once another serves, as it does in life; if nothing fenced it
before, that is the moment for two active copies.
"""

from __future__ import annotations

import argparse
import enum
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox import requirements
from backstay_sandbox.control import call
from bench.failover.backstay import Backstay
from bench.failover.bed import Bed, BenchError, await_true
from bench.failover.contender import GROUP_URL, Contender
from bench.failover.pacemaker import Pacemaker
from bench.failover.report import write_generated
from bench.failover.watch import Watch
from faults.checkers import OF_A_KERNEL, Checkers
from faults.lookout import Lookout
from faults.sight import look
from harness.host_processes import freeze_all, thaw_all

BED = "fault-peers"
CALM_S, MOVED_S_MAX, AFTERWARDS_S = 1.0, 60.0, 8.0


class Blow(enum.StrEnum):
    """What is done to the host."""

    CRASH = "crash"
    CUT = "cut"
    FREEZE = "freeze"


CONTENDERS: dict[str, Callable[[Bed], Contender]] = {
    "backstay": lambda bed: Backstay(bed, name="backstay", group=True),
    "pacemaker-fencing": lambda bed: Pacemaker(bed, name="pacemaker-fencing", group=True, fencing=True),
    "pacemaker-default": lambda bed: Pacemaker(bed, name="pacemaker-default", group=True),
}


@dataclass(frozen=True, slots=True)
class Result:
    """Of one blow."""

    away_s: float
    """Until the page was served again."""
    twice_s: float
    """For how long something was active on two hosts, the frozen one not counted while it was frozen."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="of every fault (default: %(default)s)")
    parser.add_argument("--only", help=f"names, separated by commas, of: {', '.join(CONTENDERS)}")
    parser.add_argument("--markdown", type=Path, help="put the table between the marks in that page, too")
    options = parser.parse_args()
    lacking = requirements.missing((*requirements.ALL, *requirements.PEERS))
    if os.geteuid() != 0 or lacking:
        print(requirements.explain(lacking) if lacking else "needs root", file=sys.stderr)
        return 1
    names = options.only.split(",") if options.only else list(CONTENDERS)
    results: dict[str, dict[str, list[Result]]] = {}
    with Bed(name=BED) as bed:
        for name in names:
            results[name] = strike_all(bed, name, CONTENDERS[name](bed), runs=options.runs)
    text = table(results, runs=options.runs)
    print(f"\n{text}")
    if options.markdown:
        write_generated(options.markdown, text, name="peers")
    print(
        json.dumps(
            {name: {blow: figures(found) for blow, found in blows.items()} for name, blows in results.items()}
        )
    )
    return 0


def strike_all(bed: Bed, name: str, contender: Contender, *, runs: int) -> dict[str, list[Result]]:
    """Every blow so many times; what cannot be measured ends the contender's part, and is said."""
    found: dict[str, list[Result]] = {}
    bed.reboot_all()
    try:
        contender.bring_up()
        with Watch(bed.layout, kind="page", target=GROUP_URL) as watch:
            for blow in Blow:
                for _ in range(runs):
                    result = strike(bed, contender, blow, watch)
                    found.setdefault(blow.value, []).append(result)
                    print(
                        f"  {name}, {blow}: away {result.away_s:.2f} s, twice {result.twice_s:.2f} s",
                        flush=True,
                    )
    except BenchError as error:
        print(f"  {name}: {error}", flush=True)
    return found


def strike(bed: Bed, contender: Contender, blow: Blow, watch: Watch) -> Result:
    """One blow, until the cluster is whole again."""
    if not watch.await_up(timeout_s=MOVED_S_MAX):
        raise BenchError("the page is not served before the blow")
    time.sleep(CALM_S + random.random())
    node = next(node for node, sight in look(bed.layout).items() if sight.mounted)
    frozen: set[str] = set()
    pid = bed.pids()[node]
    with Lookout(
        lambda: look(bed.layout), frozen=frozen, checkers=Checkers(idle_when_frozen=OF_A_KERNEL)
    ) as lookout:
        since = time.monotonic()
        match blow:
            case Blow.CRASH:
                bed.crash(node)
            case Blow.CUT:
                call(bed.layout.control_socket, "cut", node=node)
            case Blow.FREEZE:
                frozen.add(node)
                freeze_all(pid)
        await_true(
            lambda: any(sight.serves for other, sight in lookout.sights().items() if other != node),
            f"the group away from {node}",
            timeout_s=MOVED_S_MAX,
        )
        if not watch.await_outage_over(since=since, timeout_s=MOVED_S_MAX):
            raise BenchError("the page was not served again")
        away_s = watch.outage(since=since)
        call(bed.layout.control_socket, "heal", node=node)
        thaw_all(pid)
        frozen.clear()
        time.sleep(AFTERWARDS_S)
        twice_s = lookout.checkers.twice_s
        for one in lookout.violations():
            print(f"    {one}", flush=True)
    bed.crash(node)
    bed.boot(node)
    contender.join(node)
    return Result(away_s, twice_s)


def figures(results: list[Result]) -> dict[str, float]:
    away = [one.away_s for one in results]
    return {
        "runs": len(results),
        "median_s": round(statistics.median(away), 2),
        "worst_s": round(max(away), 2),
        "twice_s": round(sum(one.twice_s for one in results), 2),
        "twice_runs": sum(one.twice_s > 0 for one in results),
    }


def table(results: dict[str, dict[str, list[Result]]], *, runs: int) -> str:
    """Markdown, a row per contender and fault."""
    lines = [
        f"| of {runs} runs each | page away: median | worst | runs with something active on two hosts | for how long, in all |",
        "|---|---|---|---|---|",
    ]
    for name, blows in results.items():
        for blow in Blow:
            found = blows.get(blow.value)
            if not found:
                lines.append(f"| {name}, {blow} | not measured | | | |")
                continue
            one = figures(found)
            lines.append(
                f"| {name}, {blow} | {one['median_s']:.2f} s | {one['worst_s']:.2f} s | {one['twice_runs']} of {one['runs']} "
                f"| {one['twice_s']:.2f} s |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
