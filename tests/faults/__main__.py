"""`make faults`: many random faults in a row on a sandbox of namespace hosts, and one line of JSON at the end.

python -m faults --faults 200 --seed 1     as root, with ``tests`` on the path

The same seed gives the same faults in the same order, to the same parts of the cluster; what else the machine does meanwhile is not
repeated. Exit status 1 if a checker found something; then the end of the cluster's own story is printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from backstay_sandbox import background, requirements
from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from bench.failover.report import write_generated
from faults.checkers import GROUP_ADDRESS, SINGLE_ADDRESS
from faults.report import summary, table
from faults.run import Run
from faults.schedule import schedule
from harness.arp_watch import ArpWatch
from harness.cluster_view import ClusterView
from harness.hosts import SandboxUnderTest
from harness.hosts_cluster import ClusterUnderTest
from harness.quiet import tell_what_happened

NAME = "faults"
NODES = 3
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=120.0, help="begin no more after that (default: %(default)s)"
    )
    parser.add_argument("--name", default=NAME, help="of the sandbox (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, help="put the table between the marks in that page, too")
    options = parser.parse_args()
    lacking = requirements.missing((*requirements.ALL, *requirements.PARTITIONS))
    if os.geteuid() != 0 or lacking:
        print(requirements.explain(lacking) if lacking else "needs root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def run(options: argparse.Namespace) -> int:
    began = time.monotonic()
    sandbox = SandboxOptions(name=options.name, nodes=NODES)
    background.start(sandbox, progress=lambda step: print(f"- {step}", flush=True))
    try:
        layout = sandbox.layout
        with (
            OutageWatch(layout, url=f"http://{GROUP_ADDRESS}/", address=SINGLE_ADDRESS) as watch,
            ClusterView(layout.kubeconfig) as view,
            ArpWatch(namespace_command(layout.netns_client, []), [GROUP_ADDRESS, SINGLE_ADDRESS]) as arp,
        ):
            cluster = ClusterUnderTest(SandboxUnderTest(layout), watch)
            applied = cluster.run("kubectl", "apply", "-f", str(TUTORIAL))
            if applied.returncode != 0:
                raise background.StartError(applied.stderr)
            done = Run(
                cluster,
                view,
                lambda line: print(f"[{time.monotonic() - began:6.1f}] {line}", flush=True),
                watch,
                arp,
            )
            with done.lookout:
                done.go(schedule(options.seed, options.faults), until=began + 60 * options.minutes)
            if done.problems:
                tell_what_happened(cluster)
    finally:
        background.stop(sandbox.layout)
    return report(done, options, wall_s=time.monotonic() - began)


def report(done: Run, options: argparse.Namespace, *, wall_s: float) -> int:
    figures = summary(done, seed=options.seed, wall_s=wall_s)
    text = table(figures["kinds"])
    print(f"\n{text}")
    for problem in done.problems:
        print(f"PROBLEM {problem}\n  again with: make faults FAULTS={options.faults} SEED={options.seed}")
    if options.markdown and not done.problems:
        line = f"```\n{json.dumps({key: value for key, value in figures.items() if key != 'kinds'})}\n```\n"
        write_generated(options.markdown, f"{text}\n{line}", name="faults")
    print(json.dumps(figures))
    return 1 if done.problems else 0


if __name__ == "__main__":
    sys.exit(main())
