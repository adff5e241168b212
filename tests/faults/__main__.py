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

from backstay_sandbox import requirements
from bench.failover.report import write_generated
from faults.bed import bed
from faults.report import summary, table
from faults.run import Run
from faults.schedule import OF_OBJECTS, TRIED, Kind, schedule
from harness.quiet import tell_what_happened

NAME = "faults"
SETS = {"hosts": TRIED - OF_OBJECTS, "objects": OF_OBJECTS, "all": TRIED}


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=120.0, help="begin no more after that (default: %(default)s)"
    )
    parser.add_argument(
        "--kind",
        action="append",
        type=Kind,
        help="only this kind of fault (may be repeated): " + ", ".join(Kind),
    )
    parser.add_argument(
        "--kinds", choices=sorted(SETS), default="all", help="which of them (default: %(default)s)"
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

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f}] {line}", flush=True)

    with bed(options.name, tell=tell, progress=lambda step: print(f"- {step}", flush=True)) as done:
        with done.lookout:
            done.go(
                schedule(options.seed, options.faults, options.kind or SETS[options.kinds]),
                until=began + 60 * options.minutes,
            )
        if done.problems:
            tell_what_happened(done.cluster)
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
