"""How long a safe takeover takes, hop by hop: the active host's cable is pulled, once with a fence device, once with a watchdog alone.

``python -m faults.takeover [--markdown FILE]`` as root, with ``tests`` on the path, on hosts with kernels of their own. The hops are
what the kernels themselves showed and when (to a twentieth of a second); the cluster's own story of the same follows.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.inspection import host_pid
from backstay_sandbox.uml.bed import prepare
from bench.failover.report import write_generated
from faults.checkers import GROUP_ADDRESS
from faults.sight import Sight
from faults.uml_bed import WHOLE_S_MAX, Bed, uml_bed

NAME = "takeover"
POLL_S = 0.02
WATCHDOG = {
    "device": "/dev/watchdog1",
    "deadlineMilliseconds": 3000,
    "timeoutSeconds": 5,
    "resetMilliseconds": 500,
    "takeoverDelayMilliseconds": 20_000,
}
"""The defaults, spelt out."""
HOPS: dict[str, Callable[[Sight], bool]] = {
    "volume group active": lambda sight: sight.active,
    "file system mounted": lambda sight: sight.mounted,
    "address": lambda sight: GROUP_ADDRESS in sight.addresses,
    "web server": lambda sight: sight.serves,
}


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds since the cable was pulled, by hop; and the cluster's own words."""

    hops: dict[str, float]
    story: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults.takeover", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", type=Path, help="put the table between the marks in that page, too")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root", file=sys.stderr)
        return 1
    prepare(lambda step: print(f"- {step}", flush=True))
    found = {}
    with uml_bed(NAME) as bed:
        bed.wholeness.wait(timeout_s=WHOLE_S_MAX)
        found["fence device"] = take_over(bed)
        bed.rely_on_watchdogs(WATCHDOG)
        found["watchdog of 5 s"] = take_over(bed)
        broken = [str(one) for one in bed.lookout.violations()]
    text = page(found)
    print(f"\n{text}")
    if options.markdown and not broken:
        write_generated(options.markdown, text, name="takeover")
    print("\n".join(broken))
    return 1 if broken else 0


def take_over(bed: Bed) -> Takeover:
    """Pull the cable, watch, put it back; the cluster is whole before and after."""
    home = bed.home()
    died = os.pidfd_open(host_pid(bed.cluster.sandbox.layout, home))
    since, hops = time.monotonic(), dict[str, float]()
    bed.cluster.sandbox.ask("cut", node=home)
    try:
        while "page served" not in hops:
            now_s = time.monotonic() - since
            if now_s > WHOLE_S_MAX:
                raise TimeoutError(f"no takeover in {WHOLE_S_MAX:.0f} s, only {hops}")
            if select.select([died], [], [], 0)[0]:
                hops.setdefault("lost host's kernel dead", now_s)
            note(hops, bed, home, now_s)
            time.sleep(POLL_S)
    finally:
        os.close(died)
        bed.cluster.sandbox.ask("heal", node=home)
        bed.cluster.sandbox.ask("boot", node=home)
    story = bed.cluster.run("kubectl-ha", "history", newest_number(bed)).stdout
    bed.wholeness.wait(timeout_s=WHOLE_S_MAX)
    return Takeover(hops, story)


def note(hops: dict[str, float], bed: Bed, home: str, now_s: float) -> None:
    """What hosts other than the lost one have come to hold."""
    others = [sight for node, sight in bed.lookout.sights().items() if node != home]
    for hop, reached in HOPS.items():
        if any(reached(sight) for sight in others):
            hops.setdefault(hop, now_s)
    if "web server" in hops and bed.cluster.watch.is_up("page"):
        hops["page served"] = now_s


def newest_number(bed: Bed) -> str:
    """Of the transition that was the takeover: the last one that is known when the page is back."""
    snapshot = bed.wholeness.view.snapshot()
    assert snapshot is not None
    return str((snapshot.cluster.get("lastTransition") or {})["number"])


def page(found: dict[str, Takeover]) -> str:
    """The table, and the stories."""
    stories = [
        f"With a {name}, as `kubectl ha history` tells it:\n\n```\n{story_of(one.story)}\n```\n"
        for name, one in found.items()
    ]
    return "\n".join([table(found), *stories])


def story_of(history: str) -> str:
    """The part of a transition's history that says what happened when."""
    story = history.partition("Story:\n")[2].partition("\nReplay it")[0]
    return "\n".join(line.removeprefix("  ").rstrip() for line in story.splitlines()).strip()


def table(found: dict[str, Takeover]) -> str:
    """Markdown, a row per hop, sorted by time."""
    order = ["lost host's kernel dead", *HOPS, "page served"]
    lines = [f"| seconds after the cable was pulled | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for hop in order:
        cells = [f"{one.hops[hop]:.2f}" if hop in one.hops else "-" for one in found.values()]
        lines.append(f"| {hop} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
