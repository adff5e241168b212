"""Failover times of Backstay beside keepalived's and Pacemaker's, on the same hosts, in one run.

``python -m bench.failover [--api real] [--runs N] [--only NAME,...] [--markdown FILE]`` as root, with ``tests`` on the path.  Ends
with one line of JSON, every figure in seconds; what could not be measured is left out.  With a real API server Backstay alone is
measured: its peers ask none.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from backstay_sandbox import background, requirements
from backstay_sandbox.control import ControlError
from backstay_sandbox.options import EMBEDDED, OWN_APIS, REAL
from bench.failover.backstay import FAST, Backstay
from bench.failover.bed import Bed, BenchError
from bench.failover.budget import budget_table
from bench.failover.contender import Contender
from bench.failover.keepalived import Keepalived
from bench.failover.measure import Series, Trial, measure
from bench.failover.pacemaker import Pacemaker
from bench.failover.report import json_line, markdown, overview, write_generated

MINUTES_MAX = 24.0
"""The whole command ends within 25; what has not begun by then is left out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender as it is brought up once, and what is tried with it."""

    name: str
    make: Callable[[Bed], Contender]
    trials: tuple[Trial, ...]


MARKS = {EMBEDDED: "measured", REAL: "measured-real"}
"""Between which the tables of each API stand in a page."""
VIP_TRIALS = (Trial.POWER_CUT, Trial.PLANNED)
DC_TRIALS = (Trial.POWER_CUT, Trial.DC_POWER_CUT, Trial.PLANNED)
ENTRIES = (
    Entry("backstay-default", lambda bed: Backstay(bed, name="backstay-default"), DC_TRIALS),
    Entry("backstay-fast", lambda bed: Backstay(bed, name="backstay-fast", heartbeat=FAST), DC_TRIALS),
    Entry(
        "keepalived-default", lambda bed: Keepalived(bed, name="keepalived-default", advert_int=1), VIP_TRIALS
    ),
    Entry("keepalived-fast", lambda bed: Keepalived(bed, name="keepalived-fast", advert_int=0.1), VIP_TRIALS),
    Entry("pacemaker-default", Pacemaker, VIP_TRIALS),
    Entry(
        "backstay-default-group",
        lambda bed: Backstay(bed, name="backstay-default", group=True),
        (Trial.GROUP,),
    ),
    Entry(
        "backstay-fast-group",
        lambda bed: Backstay(bed, name="backstay-fast", heartbeat=FAST, group=True),
        (Trial.GROUP,),
    ),
    Entry("pacemaker-default-group", lambda bed: Pacemaker(bed, group=True), (Trial.GROUP,)),
)


def main() -> None:
    options = arguments().parse_args()
    real = options.api == REAL
    chosen = [
        entry
        for entry in ENTRIES
        if (not options.only or entry.name in options.only.split(","))
        and (not real or entry.name.startswith("backstay"))
    ]
    lacking = requirements.missing((*requirements.ALL, *(() if real else requirements.PEERS)))
    if os.geteuid() != 0 or not chosen or lacking:
        print(
            requirements.explain(lacking) if lacking else "needs root, and a name that exists",
            file=sys.stderr,
        )
        sys.exit(1)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        series, budget = run(chosen, runs=options.runs, logs_to=options.keep_logs, api=options.api)
    except (BenchError, ControlError, background.StartError) as error:
        print(f"the bench failed: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    table = "\n".join(part for part in (markdown(series), budget) if part)
    print(f"\n{table}")
    if options.markdown:
        write_generated(options.markdown, table, name=MARKS[options.api])
    if options.readme:
        write_generated(options.readme, overview(series))
    print(json_line(series))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench-failover", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of every trial (default: %(default)s)")
    parser.add_argument(
        "--api", choices=OWN_APIS, default=EMBEDDED, help="whose (default: %(default)s); real: as the sandbox"
    )
    parser.add_argument(
        "--only", help=f"names, separated by commas, of: {', '.join(one.name for one in ENTRIES)}"
    )
    parser.add_argument("--markdown", type=Path, help="put the tables between the marks in that page, too")
    parser.add_argument("--readme", type=Path, help="put one table of medians between the marks in that page")
    parser.add_argument("--keep-logs", type=Path, help="copy the daemons' logs there")
    return parser


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def run(
    entries: list[Entry], *, runs: int, logs_to: Path | None, api: str = EMBEDDED
) -> tuple[list[Series], str]:
    """Everything, one after the other, on one bed; and the table of where the time went."""
    began, series = time.monotonic(), list[Series]()
    with Bed(api=api) as bed:
        try:
            for number, entry in enumerate(entries, start=1):
                minutes = (time.monotonic() - began) / 60
                print(f"[{minutes:4.1f} min] {number}/{len(entries)} {entry.name}", flush=True)
                if minutes > MINUTES_MAX * (1 - 1 / (2 * len(ENTRIES))):
                    print("  no time left for it", flush=True)
                    continue
                series += _try(bed, entry, runs=runs)
            budget = budget_table(series, bed.layout.logs_dir)
        finally:
            if logs_to is not None:
                bed.copy_logs(logs_to)
    print(f"took {(time.monotonic() - began) / 60:.1f} min", flush=True)
    return series, budget


def _try(bed: Bed, entry: Entry, *, runs: int) -> list[Series]:
    contender = entry.make(bed)
    bed.reboot_all()
    try:
        contender.bring_up()
    except BenchError as error:
        print(f"  {entry.name} did not come up: {error}", flush=True)
        return [Series(contender.name, trial, problem=str(error)) for trial in entry.trials]
    found = []
    for trial in entry.trials:
        found.append(measure(bed, contender, trial, runs=runs))
        if found[-1].problem:
            break  # the cluster is in a state that nobody planned
    return found


if __name__ == "__main__":
    main()
