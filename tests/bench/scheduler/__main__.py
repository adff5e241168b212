"""Time and memory of one scheduling run beside `crm_simulate -R` on the same CIBs.

`python -m bench.scheduler [--markdown FILE] [--sizes 100x8,...] [--minutes N]`, with `tests` on the path. Ends with one
line of JSON. Seconds are CPU seconds of a whole process, its start and the reading of the file included on both sides
(both run on one thread), so that a busy machine does not blur them; each figure comes from a process of its own, ours
and Pacemaker's one after the other. A run of crm_simulate that needs more than 120 s is null, as is all that does not
fit into the time: 2000x32 `lost` is measured first.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.scheduler import clusters

LIMIT_S = 120
SIZES = ((100, 8), (1000, 16), (2000, 32), (5000, 64), (10000, 100))
ALWAYS = (2000, 32, "lost")
QUICK = 2000  # resources up to which crm_simulate needs seconds
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(slots=True)
class Result:
    """One row; None: not measured, or beyond the limit."""

    resources: int
    nodes: int
    situation: str
    backstay_s: float | None = None
    backstay_read_s: float | None = None
    backstay_schedule_s: float | None = None
    backstay_mb: float | None = None
    crm_simulate_s: float | None = None
    crm_simulate_mb: float | None = None


def ours(cib: Path, result: Result, left_s: float) -> None:
    """Read and schedule it in a process of its own."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.scheduler.once", str(cib)], stdout=subprocess.PIPE, text=True
    )
    usage = waited_for(child, left_s)
    if usage is None or child.stdout is None:
        return
    found = json.loads(child.stdout.read())
    result.backstay_s = round(usage.ru_utime + usage.ru_stime, 3)
    result.backstay_mb = round(usage.ru_maxrss / 1024, 1)
    result.backstay_read_s = round(found["read_s"], 3)
    result.backstay_schedule_s = round(found["schedule_s"], 4)


def theirs(cib: Path, result: Result, left_s: float) -> None:
    """crm_simulate -R, its CPU time limited; nothing if it is cut short."""
    child = subprocess.Popen(
        ["crm_simulate", "-x", str(cib), "-R"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    resource.prlimit(child.pid, resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S + 1))
    usage = waited_for(child, left_s)
    if usage is not None:
        result.crm_simulate_s = round(usage.ru_utime + usage.ru_stime, 3)
        result.crm_simulate_mb = round(usage.ru_maxrss / 1024, 1)


def waited_for(child: subprocess.Popen[Any], left_s: float) -> resource.struct_rusage | None:
    """What a process has used; None if it failed, or was killed after `left_s`. It says no more than a pipe holds."""
    until = time.monotonic() + max(left_s, 1)
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > until:
            child.kill()
            until = float("inf")
        time.sleep(0.02)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage if child.returncode == 0 else None


def planned(sizes: tuple[tuple[int, int], ...]) -> list[tuple[int, int, str]]:
    """What is measured, in order: what always is, then from small to large."""
    rows = [(resources, nodes, one) for resources, nodes in sizes for one in clusters.SITUATIONS]
    return sorted(rows, key=lambda row: row != ALWAYS)


@dataclass(slots=True)
class Pace:
    """Whether crm_simulate is worth a try: not at sizes above one that took too long, nor at that one for a situation that took it
    as long at the size before."""

    beyond: int | None = None  # resources
    taken: dict[tuple[int, str], float] = field(default_factory=dict)

    def may_try(self, one: Result) -> bool:
        if self.beyond is None or one.resources < self.beyond:
            return True
        return one.resources == self.beyond and self._of_before(one) < 0.75 * self.worst

    def note(self, one: Result) -> None:
        if one.crm_simulate_s is not None:
            self.taken[one.resources, one.situation] = one.crm_simulate_s
        elif self.beyond is None:
            self.beyond = one.resources

    @property
    def worst(self) -> float:
        """The longest at the size before the one that took too long."""
        below = [size for size, _ in self.taken if self.beyond is None or size < self.beyond]
        return max((s for (size, _), s in self.taken.items() if size == max(below)), default=0.0)

    def _of_before(self, one: Result) -> float:
        below = [
            size for size, situation in self.taken if size < one.resources and situation == one.situation
        ]
        return self.taken[max(below), one.situation] if below else 0.0


def run(sizes: tuple[tuple[int, int], ...], *, minutes: float) -> list[Result]:
    """Measure all that fits into the time. Where crm_simulate may take minutes it comes last, on the CIB made again."""
    until = time.monotonic() + minutes * 60
    results = [Result(*one) for one in planned(sizes)]
    pace = Pace()
    with tempfile.TemporaryDirectory() as folder:
        cib = Path(folder) / "cib.xml"
        for result in results:
            if time.monotonic() < until:
                _make(cib, result)
                ours(cib, result, until - time.monotonic())
                if result.resources <= QUICK:
                    _beside(cib, result, pace, until)
                print(said(result), flush=True)
        for result in results:
            if result.resources > QUICK and pace.may_try(result) and time.monotonic() < until:
                _make(cib, result)
                _beside(cib, result, pace, until)
                print(said(result), flush=True)
    results.sort(key=lambda one: (one.resources, clusters.SITUATIONS.index(one.situation)))
    return results


def _make(cib: Path, one: Result) -> None:
    clusters.write_aside(cib, resources=one.resources, nodes=one.nodes, situation=one.situation)


def _beside(cib: Path, one: Result, pace: Pace, until: float) -> None:
    theirs(cib, one, until - time.monotonic())
    pace.note(one)


def said(one: Result) -> str:
    """A row of the table."""
    ratio = one.crm_simulate_s / one.backstay_s if one.crm_simulate_s and one.backstay_s else None
    cells = (
        f"{one.resources}x{one.nodes}", one.situation, _cell(one.backstay_s, 2), _cell(one.backstay_read_s, 2),
        _cell(one.backstay_schedule_s, 3), _cell(one.crm_simulate_s, 2), _cell(ratio, 1),
        _cell(one.backstay_mb, 0), _cell(one.crm_simulate_mb, 0),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


HEAD = (
    "| size | situation | Backstay, s | of it reading | of it scheduling | crm_simulate -R, s | times faster | Backstay, MB |"
    " crm_simulate, MB |"
)


def table(results: list[Result]) -> str:
    """All rows, for the document."""
    return "\n".join([HEAD, "|" + "---|" * 9, *(said(one) for one in results)])


def write_between(file: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, _, rest = file.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def as_json(results: list[Result]) -> str:
    """The last line."""
    keys = (
        "resources",
        "nodes",
        "situation",
        "backstay_s",
        "crm_simulate_s",
        "backstay_mb",
        "crm_simulate_mb",
    )
    return json.dumps([{key: getattr(one, key) for key in keys} for one in results])


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.scheduler", description=__doc__)
    parser.add_argument("--markdown", type=Path, help="file in which the table between the marks is replaced")
    parser.add_argument("--sizes", default=",".join(f"{one}x{two}" for one, two in SIZES))
    parser.add_argument("--minutes", type=float, default=23.0, help="when to stop beginning anything new")
    given = parser.parse_args()
    if clusters.generator() is None:
        print(
            "the suite's generator gen.py is not here: set PACEMAKER_CTS to the suite's folder",
            file=sys.stderr,
        )
        return 2
    if shutil.which("crm_simulate") is None:
        print("crm_simulate is not here: install pacemaker-cli-utils", file=sys.stderr)
        return 2
    sizes = tuple(
        (int(one), int(two)) for one, _, two in (text.partition("x") for text in given.sizes.split(","))
    )
    print(HEAD, flush=True)
    results = run(sizes, minutes=given.minutes)
    if given.markdown is not None:
        write_between(given.markdown, table(results))
    print(as_json(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
